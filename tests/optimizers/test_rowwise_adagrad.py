"""Row-wise Adagrad: tables of every format, dense layers, files, diagnostics, bad parameters."""

import numpy as np
import pytest

import lowprec as lp
from lowprec.device import get_device
from lowprec.optimizers.dense import init_dense_states, update_dense
from tests import naive
from tests.devices import DEVICE, host
from tests.optimizers.test_all import FORMATS
from tests.tables.test_embedding import bits, jagged, make_table

SIZES = (5, 3, 4)
OPTIMIZER = lp.RowWiseAdagrad(0.3, eps=1e-4, initial_accumulator=0.5)


def state_of(table):
    return host(table.optimizer_state["sum"])


# one column has a kernel of its own for each format: three of them there
KINDS = [(dtype, dim) for dtype in FORMATS for dim in (3, 16, 17, 35)]
KINDS += [(dtype, 1) for dtype in ("float32", "float16", "float8_e4m3fn")]


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize(("dtype", "dim"), KINDS)
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


def test_a_zero_gradient_of_a_fresh_row_changes_nothing():
    table = make_table(SIZES, optimizer=lp.RowWiseAdagrad(0.1), rounding="nearest")
    before = bits(table.weight)
    table.update([[0, 0, 0]], np.zeros((1, 3, 3), np.float32))
    assert bits(table.weight) == before


@pytest.mark.parametrize("shape", [(7, 5), (3, 40), (33,), (1,), (0, 4)])
def test_dense_parameters(shape):
    device, rng = get_device(DEVICE), np.random.default_rng(1)
    start = rng.normal(size=shape).astype(np.float32)
    parameter = device.asarray(start.copy())
    states = init_dense_states(device, OPTIMIZER, [parameter])
    rows = start if start.ndim == 2 else start.reshape(1, -1)
    expected, sums = rows.copy(), np.full((len(rows), 1), 0.5, np.float32)
    for step in range(2):
        gradient = rng.normal(size=shape).astype(np.float32)
        for row, of_row in enumerate(gradient.reshape(rows.shape)):
            sums[row, 0] = np.float32(sums[row, 0] + naive.mean_square(of_row))
            rate = np.float32(0.3) / np.float32(np.sqrt(sums[row, 0]) + np.float32(1e-4))
            for c, value in enumerate(of_row):
                expected[row, c] = naive.fma(-rate, value, expected[row, c])
        halted, gradients = device.xp.zeros(1, np.bool_), [device.asarray(gradient)]
        update_dense(device, OPTIMIZER, [parameter], states, gradients, step, halted)
    assert bits(host(parameter)) == bits(expected)
    assert bits(host(states[0]["sum"])) == bits(sums)


def test_diagnose_is_what_the_update_does():
    table = make_table(SIZES, 17, optimizer=lp.RowWiseAdagrad(1e-3), rounding="nearest", seed=1)
    rng = np.random.default_rng(3)
    for _ in range(3):
        indices = rng.integers(0, SIZES, (4, 3))
        grad = rng.normal(size=(4, 3, 17)).astype(np.float32)
        report, before = table.diagnose(indices, grad), table.weight.copy()
        table.update(indices, grad)
        moved = np.count_nonzero(table.weight != before)
        assert 0 < report.lost < report.steps == report.weights
        assert report.steps - report.lost == moved
        # a row of length |g| / sqrt(sum) * rate: sqrt(17) at first
        change = table.weight.astype(np.float64) - before
        assert abs(report.sum_of_squares / (change**2).sum() - 1) < 0.5


def test_files_models_and_copies(tmp_path):
    X, y, _ = lp.datasets.make_clicks(300, num_embeddings=[6, 4], num_dense=3, seed=0)
    for make in (
        lambda: lp.LogisticRegression([6, 4], batch_size=50, optimizer=OPTIMIZER),
        lambda: lp.DLRM([6, 4], 4, (5,), (5,), batch_size=50, optimizer=OPTIMIZER,
                        dense_optimizer=OPTIMIZER),
    ):  # fmt: skip
        model = make().fit(X, y)
        model.save(tmp_path / "m.safetensors")
        again = lp.load(tmp_path / "m.safetensors")
        assert again.optimizer == OPTIMIZER
        for each in (model, again):
            each.partial_fit(X, y)
        assert bits(model.decision_function(X)) == bits(again.decision_function(X))
        assert bits(state_of(model.table_)) == bits(state_of(again.table_))
        assert model.table_.nbytes == model.table_.weight.nbytes + 4 * 10
    table = make_table(SIZES, optimizer=OPTIMIZER)
    twin = table.to("cpu")
    twin.update([[0, 0, 0]], np.ones((1, 3, 3), np.float32))
    assert (state_of(table) == np.float32(0.5)).all()


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
