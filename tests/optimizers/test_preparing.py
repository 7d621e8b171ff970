"""Clipping and weight decay, which come before every rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

import lowprec as lp
from lowprec.scalar.decay import expm1_of_negative
from tests.devices import DEVICE, host
from tests.tables.small import bits, make_table

ROWS = np.arange(3)


def table_of(optimizer, dim=4, dtype="float32", **more):
    return lp.EmbeddingTable(3, dim, dtype, optimizer=optimizer, device=DEVICE, **more)


def ones(rows=3, dim=4):
    return np.ones((rows, dim), np.float32)


def test_values_are_clipped_before_norms_and_both_before_the_rule():
    table = table_of(lp.SGD(1.0, clip_value=3.0, clip_norm=2.5), dim=2, init_range=0.0)
    grad = np.array([[30.0, 4.0], [1.0, -2.0], [-3.0, 0.5]], np.float32)
    table.update(ROWS, grad)
    first = 2.5 / np.sqrt(18.0) * np.array([3.0, 3.0])  # both are 3 once they are clipped
    last = 2.5 / np.sqrt(9.25) * np.array([-3.0, 0.5])
    np.testing.assert_allclose(host(table.weight), -np.array([first, [1, -2], last]), rtol=1e-6)


def test_the_sum_of_a_row_is_clipped_and_not_its_terms():
    table = table_of(lp.SGD(1.0, clip_value=3.0), init_range=0.0)
    table.update([1] * 4, ones(4))
    assert (host(table.weight)[1] == -3.0).all()


@pytest.mark.parametrize("kind", [lp.Adagrad, lp.RowWiseAdagrad, lp.Adam, lp.LAMB, lp.FTRL])
def test_states_are_of_the_clipped_gradient(kind):
    one, other = table_of(kind(clip_value=0.5)), table_of(kind())
    for each in (one, other):
        each.write(ROWS, ones())
    one.update(ROWS, 100 * ones())
    other.update(ROWS, 0.5 * ones())
    assert bits(host(one.weight)) == bits(host(other.weight))
    for name, array in one.optimizer_state.items():
        assert bits(host(array)) == bits(host(other.optimizer_state[name]))


@pytest.mark.parametrize("optimizer", [lp.SGD(0.1, clip_value=2.0), lp.Adam(clip_value=2.0)])
def test_what_is_clipped_by_value_may_be_as_large_as_float32_goes(optimizer):
    table = table_of(optimizer)
    most = np.finfo(np.float32).max
    table.update(ROWS, most * ones())
    assert np.isfinite(host(table.weight)).all()
    with pytest.raises(FloatingPointError, match="nothing was updated"):
        table.update(ROWS, np.inf * ones())


def test_norms_that_overflow_are_refused():
    table = table_of(lp.SGD(0.1, clip_norm=1.0))
    before = bits(host(table.weight))
    table.update(ROWS, np.float32(1e18) * ones())
    assert bits(host(table.weight)) != before
    before = bits(host(table.weight))
    with pytest.raises(FloatingPointError, match="nothing was updated"):
        table.update(ROWS, np.float32(1e20) * ones())
    assert bits(host(table.weight)) == before


def test_decay_comes_before_the_rule_and_is_decoupled():
    plain, decayed = (
        table_of(lp.Adam(0.5, weight_decay=decay), dim=1, init=[[1.0], [2.0], [-4.0]])
        for decay in (0.0, 0.5)
    )
    for each in (plain, decayed):
        each.update(ROWS, ones(dim=1))
    np.testing.assert_array_equal(
        host(decayed.weight), host(plain.weight) - 0.25 * np.array([[1], [2], [-4]], np.float32)
    )
    for name in ("mean", "square"):
        one, other = (host(each.optimizer_state[name]) for each in (plain, decayed))
        assert bits(one) == bits(other)


SCHEDULES = [0.25, lp.schedules.InverseTime(0.25, decay=0.5), lambda step: 0.25 * (step % 3)]


@pytest.mark.parametrize("rate", SCHEDULES, ids=["constant", "schedule", "function"])
@pytest.mark.parametrize("dim", [1, 5])
def test_rows_catch_up_what_they_missed(rate, dim):
    optimizer = lp.SGD(rate, weight_decay=0.5, decay="catch_up")
    table = table_of(optimizer, dim, init=ones(dim=dim))
    assert host(table.optimizer_state["last"]).tolist() == [[0]] * 3
    assert table.optimizer_state["last"].dtype == np.uint32
    zero = np.zeros((1, dim), np.float32)
    for step in range(12):
        table.update([1] if step in (4, 11) else [2], zero)
    table.update(ROWS[:0], zero[:0])  # counts as a step
    table.update(ROWS[:2], np.zeros((2, dim), np.float32))
    left = np.prod([1 - optimizer.learning_rate_at(step) * 0.5 for step in range(14)])
    np.testing.assert_allclose(host(table.weight)[:2], np.full((2, dim), left), rtol=1e-5)
    assert host(table.optimizer_state["last"]).tolist() == [[14], [14], [11]]


def test_rows_that_are_always_seen_have_nothing_to_catch_up():
    rng = np.random.default_rng(3)
    seen, late = (
        table_of(lp.SGD(0.1, weight_decay=0.5, decay=decay), dtype="float16", seed=4)
        for decay in ("seen", "catch_up")
    )
    for _ in range(5):
        grad = rng.normal(size=(3, 4)).astype(np.float32)
        for each in (seen, late):
            each.update(ROWS, grad)
    assert bits(host(seen.weight)) == bits(host(late.weight))


def test_another_optimizer_or_device_or_file_goes_on(tmp_path):
    rate = lp.schedules.InverseTime(0.25, decay=0.5)
    table = table_of(lp.SGD(rate, weight_decay=0.5, decay="catch_up"), init=ones())
    table.update([1], ones(1))
    table.save(tmp_path / "t.safetensors")
    again = lp.EmbeddingTable.load(tmp_path / "t.safetensors", device=DEVICE)
    twin = table.to(DEVICE)
    for each in (table, again, twin):
        for _ in range(3):
            each.update([2], ones(1))
        each.optimizer = lp.SGD(0.125, weight_decay=0.5, decay="catch_up")
        each.update([0, 1], ones(2))
    for each in (again, twin):
        assert bits(host(each.weight)) == bits(host(table.weight))
    with pytest.raises(ValueError, match="has the states"):
        table.optimizer = lp.SGD(0.125, weight_decay=0.5)


@pytest.mark.skipif(DEVICE != "cpu", reason="the function alone, which is the same")
@given(st.floats(-1e4, 0.0, width=32))
def test_what_is_left_after_many_steps(x):
    @njit
    def call(x):
        return expm1_of_negative(x)

    call = _compiled.setdefault("call", call)
    found, exact = float(call(np.float32(x))), np.expm1(np.float64(x))
    assert abs(found - exact) <= 1e-6 * abs(exact) + 2.0**-140  # of subnormal numbers


_compiled: dict = {}


@pytest.mark.skipif(DEVICE != "cpu", reason="thousands of rows")
@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
def test_small_decay_of_float16_weights(rounding):
    """After 2,000 steps of 2**-13, what exp(-2000/8192) leaves of weights, on average.

    The variance of 4,000 weights is that of their roundings: at most a gap, 2**-10, times each
    change, 2**-13, so that of their mean is below 2000 * 2**-23 / 4000.  Four standard errors.
    """
    optimizer = lp.SGD(2.0**-3, weight_decay=2.0**-10)
    table = lp.EmbeddingTable(4000, 1, rounding=rounding, optimizer=optimizer, init_range=0.0)
    table.weight[:] = 1.5
    rows, zero = np.arange(4000), np.zeros((4000, 1), np.float32)
    for _ in range(2000):
        table.update(rows, zero)
    values = table.weight.astype(np.float64)
    if rounding == "nearest":
        assert (values == 1.5).all()
    else:
        error = values.mean() - 1.5 * (1 - 2.0**-13) ** 2000
        assert abs(error) < 4 * np.sqrt(2000 * 2.0**-23 / 4000)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lp.SGD(weight_decay=-1.0), ValueError, "weight_decay must be finite and not"),
        (lambda: lp.SGD(weight_decay="1"), TypeError, "weight_decay must be a number"),
        (lambda: lp.Adam(decay="late"), ValueError, "decay must be one of"),
        (lambda: lp.SGD(clip_value=0.0), ValueError, "clip_value must be positive"),
        (lambda: lp.SGD(clip_norm=1e-60), ValueError, "clip_norm must be positive in float32"),
        (lambda: lp.SGD(clip_norm=np.nan), ValueError, "clip_norm must be finite"),
        (lambda: lp.FTRL(weight_decay=0.1), ValueError, "FTRL has no weight_decay.*use l2"),
        (lambda: lp.FTRL(lp.schedules.Constant(0.1)), ValueError, "FTRL takes no schedule"),
        (lambda: lp.FTRL(0.0), ValueError, "learning_rate must be positive"),
        (lambda: lp.FTRL(l1=-1.0), ValueError, "l1 must be finite and not negative"),
        (lambda: lp.FTRL(state_dtype="float16"), ValueError, "'n' holds squares"),
        (lambda: lp.SGD(weight_decay=1, decay="catch_up", state_dtype={"last": "float16"}),
         ValueError, "state_dtype names 'last'"),
    ],
)  # fmt: skip
def test_bad_parameters(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("decay", ["seen", "catch_up"])
def test_a_step_that_takes_all_of_a_weight_is_refused(decay):
    table = table_of(lp.SGD(lambda step: 0.5 + step, weight_decay=1.0, decay=decay))
    table.update(ROWS, ones())
    before = bits(host(table.weight)), table.step
    with pytest.raises(ValueError, match=r"weight_decay must be less than 1, got 1\.5"):
        table.update(ROWS, ones())
    assert (bits(host(table.weight)), table.step) == before


def test_a_decay_of_dense_layers_is_refused_before_the_table_is_stepped():
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], num_dense=3, seed=0)
    dense = lp.SGD(lambda step: 0.5 + step, weight_decay=1.0)
    model = lp.DLRM([6, 4], 4, (5,), (5,), batch_size=60, dense_optimizer=dense, device=DEVICE)
    model.fit(X, y)
    before = bits(host(model.table_.weight))
    with pytest.raises(ValueError, match="weight_decay must be less than 1"):
        model.partial_fit(X, y)
    assert (bits(host(model.table_.weight)), model.table_.step) == (before, 1)


def test_a_decay_of_dense_layers_in_the_middle_of_training():
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], num_dense=3, seed=0)
    dense = lp.SGD(lambda step: 0.5 + step, weight_decay=1.0)
    model = lp.DLRM([6, 4], 4, (5,), (5,), batch_size=30, dense_optimizer=dense, device=DEVICE)
    seen = []
    with pytest.raises(ValueError, match="weight_decay must be less than 1"):
        model.fit(X, y, callback=lambda m, _: seen.append(bits(host(m.table_.weight))))
    assert [bits(host(model.table_.weight))] == seen
    assert model.table_.step == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("dim", [1, 5, 17])
def test_steps_beyond_the_largest_number_saturate(dtype, rounding, dim):
    """Two steps of 3e38 stored -inf, and nothing was said."""
    table = make_table((3,), dim, dtype=dtype, rounding=rounding, optimizer=lp.SGD(1.0))
    for sign in (1, 1, 1, -1, -1, -1):
        table.update([[0], [2]], np.full((2, 1, dim), sign * 3e38, np.float32))
        assert np.isfinite(host(table.weight).astype(np.float32)).all()
    assert (host(table.weight).astype(np.float32)[0] > 3e38).all()
