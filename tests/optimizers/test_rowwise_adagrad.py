"""Row-wise Adagrad: tables of every format, dense layers, files, diagnostics, bad parameters."""

import numpy as np
import pytest

import lowprec as lp
from tests import naive
from tests.devices import host
from tests.tables.small import bits, jagged, make_table

SIZES = (5, 3, 4)
OPTIMIZER = lp.RowWiseAdagrad(0.3, eps=1e-4, initial_accumulator=0.5)


def state_of(table):
    return host(table.optimizer_state["sum"])


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])  # test_all has others
@pytest.mark.parametrize("dim", [1, 16, 35])
def test_update_is_the_oracle(dtype, rounding, dim):
    table = make_table(SIZES, dim, dtype=dtype, rounding=rounding, optimizer=OPTIMIZER, seed=9)
    rng = np.random.default_rng(dim)
    assert (state_of(table) == np.float32(0.5)).all()
    for _ in range(2):
        indices = rng.integers(0, SIZES, (20, 3))
        grad = rng.normal(size=(20, 3, dim)).astype(np.float32)
        weight, sums = naive.row_wise_adagrad(table, state_of(table), 0.3, 1e-4, indices, grad)
        table.update(indices, grad)
        assert bits(host(table.weight)) == bits(weight)
        assert bits(state_of(table)) == bits(sums)


@pytest.mark.parametrize("dim", [1, 19])
@pytest.mark.parametrize("on_nonfinite", ["raise", "skip"])
def test_bags_long_runs_and_skipped_rows(dim, on_nonfinite):
    table = make_table(SIZES, dim, optimizer=OPTIMIZER, on_nonfinite=on_nonfinite)
    rng = np.random.default_rng(dim)
    ids, offsets = jagged(rng, 450, SIZES, limit=4)  # rows with more than 128 ids
    weights = rng.normal(size=ids.size).astype(np.float32)
    grad = rng.normal(size=(150, 3, dim)).astype(np.float32)
    more = {"offsets": offsets, "pooling": "mean"}
    weight, sums = naive.row_wise_adagrad(
        table, state_of(table), 0.3, 1e-4, ids, grad, weights=weights, **more
    )
    table.update(ids, grad, per_sample_weights=weights, **more)
    assert bits(host(table.weight)) == bits(weight)
    assert bits(state_of(table)) == bits(sums)
    if on_nonfinite == "skip":
        indices, grad = np.array([[0, 1, 2], [1, 1, 3]]), np.ones((2, 3, dim), np.float32)
        weight, sums = naive.row_wise_adagrad(table, state_of(table), 0.3, 1e-4, indices, grad)
        grad[0, 0, 0] = 1e20  # its square overflows
        before, kept = host(table.weight)[0].copy(), state_of(table)[0].copy()
        table.update(indices, grad)
        assert table.skipped_rows == 1
        assert bits(host(table.weight)[0]) == bits(before)
        assert bits(state_of(table)[0]) == bits(kept)
        assert bits(host(table.weight)[1:]) == bits(weight[1:])


def test_an_overflowing_square_is_refused():
    table = make_table(SIZES, optimizer=OPTIMIZER)
    before, state = bits(table.weight), bits(table.optimizer_state["sum"])
    with pytest.raises(FloatingPointError, match="the gradients of 1 rows overflow float32"):
        table.update([[0, 0, 0]], np.float32([[[1e20, 0, 0], [1, 1, 1], [1, 1, 1]]]))
    assert (bits(table.weight), bits(table.optimizer_state["sum"])) == (before, state)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"eps": 0.0}, ValueError, "eps must be positive"),
        ({"eps": 1e-60}, ValueError, "eps must be positive in float32"),
        ({"eps": -1.0}, ValueError, "eps must be finite and not negative"),
        ({"eps": "small"}, TypeError, "eps must be a number"),
        ({"initial_accumulator": -1.0}, ValueError, "initial_accumulator must be finite"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate must be finite and not negative"),
    ],
)
def test_bad_parameters(parameters, error, message):
    with pytest.raises(error, match=message):
        lp.RowWiseAdagrad(**parameters)


def test_the_quotient_of_rate_and_eps_must_be_finite():
    optimizer = lp.RowWiseAdagrad(1e10, eps=1e-30)
    table = make_table(SIZES, optimizer=optimizer)
    with pytest.raises(ValueError, match="learning_rate / eps overflows float32"):
        table.update([[0, 0, 0]], np.zeros((1, 3, 3), np.float32))
    assert table.step == 0
