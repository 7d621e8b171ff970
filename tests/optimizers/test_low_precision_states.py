"""States of optimizers in low precision."""

import numpy as np
import pytest

import lowprec as lp
from tests import naive, naive_optimizers
from tests.devices import DEVICE, host
from tests.optimizers.cases import KINDS_OF_STATES, OF_STATES, SIZES, batch, check, states_of
from tests.tables.small import bits, make_table


@pytest.mark.parametrize(("of_states", "dtype", "dim"), KINDS_OF_STATES)
def test_states_in_low_precision_are_the_oracle(of_states, dtype, dim):
    state_dtype, rounding = OF_STATES[of_states]
    optimizer = lp.Adam(0.05, state_dtype=state_dtype, state_rounding=rounding)
    table = make_table(SIZES, dim, dtype=dtype, optimizer=optimizer, rounding="nearest", seed=9)
    rng = np.random.default_rng(dim)
    for _ in range(3):
        check(table, naive_optimizers.ADAM, *batch(rng, dim))


def test_bytes_of_a_parameter():
    table = lp.EmbeddingTable(100, 8, optimizer=lp.Adam(state_dtype="bfloat16"), device=DEVICE)
    assert table.nbytes == 6 * 100 * 8
    table = lp.EmbeddingTable(100, 8, "float32", optimizer=lp.Adam(), device=DEVICE)
    assert table.nbytes == 12 * 100 * 8


@pytest.mark.skipif(DEVICE != "cpu", reason="100,000 updates")
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_small_squares_of_an_accumulator_in_bfloat16(rounding):
    """At 100,000 squares of 2**-20 each, nearest has stalled and stochastic is right on average.

    The variance of a sum is that of its roundings: at most its distance of neighbours, 2**-10 below
    0.25, times each increment, 2**-20; so that of 1,000 is 100,000 * 2**-30 / 1,000 at most.  Four
    standard errors: 6e-5 of false alarms.
    """
    optimizer = lp.Adagrad(0.0, eps=1.0, state_dtype="bfloat16", state_rounding=rounding)
    table = lp.EmbeddingTable(1, 1000, "float32", optimizer=optimizer, seed=1)
    gradient, row = np.full((1, 1000), 2.0**-10, np.float32), table.batch([0])
    updates = 1000 if rounding == "nearest" else 100_000
    for _ in range(updates):
        table.update(row, gradient)
    sums, exact = table.optimizer_state["sum"].astype(np.float64), 100_000 * 2.0**-20
    if rounding == "nearest":
        # another update changes nothing, so 99,000 change nothing
        table.update(row, gradient)
        assert bits(table.optimizer_state["sum"].astype(np.float64)) == bits(sums)
        assert (sums < exact / 10).all()
    else:
        assert abs(sums.mean() - exact) < 4 * np.sqrt(100_000 * 2.0**-30 / 1000)


@pytest.mark.skipif(DEVICE != "cpu", reason="thousands of tables")
def test_states_are_unbiased():
    """Their mean over 4,000 keys is the float32 state: z-tests of 64 numbers, 1e-6 in all."""
    optimizer = lp.Adam(0.1, state_dtype={"mean": "bfloat16", "square": "bfloat16"})
    grad = np.random.default_rng(6).normal(size=(1, 32)).astype(np.float32)
    exact = lp.EmbeddingTable(1, 32, "float32", optimizer=lp.Adam(0.1))
    exact.update([0], grad)
    tables = lp.EmbeddingTable(4000, 32, optimizer=optimizer, seed=8)
    tables.update(np.arange(4000), np.repeat(grad, 4000, axis=0))
    for name, array in tables.optimizer_state.items():
        values = array.astype(np.float64)
        errors = values.mean(axis=0) - exact.optimizer_state[name][0]
        z = errors / np.maximum(values.std(axis=0) / np.sqrt(4000), 1e-30)
        assert np.abs(z).max() < 5.6
        assert (values.std(axis=0) > 0).sum() > 28


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_states_of_rows_in_bfloat16(rounding):
    optimizer = lp.RowWiseAdagrad(0.3, state_dtype="bfloat16", state_rounding=rounding)
    for dim in (1, 17):
        table = make_table(SIZES, dim, optimizer=optimizer, seed=9)
        sums = np.zeros((12, 1), np.float32)
        for _ in range(2):
            indices, grad = batch(np.random.default_rng(dim), dim)
            step = table.step
            for row, gradient in naive.row_gradients(table, indices, grad).items():
                key = naive.state_key(naive.row_key(9, 0, step, row), 0)
                total = np.float32(sums[row, 0] + naive.mean_square(gradient))
                sums[row, 0] = naive.store(total, key, 0, "bfloat16", rounding)
            table.update(indices, grad)
            found = states_of(table)["sum"]
            assert found.dtype.name == "bfloat16"
            np.testing.assert_array_equal(found.astype(np.float32), sums)


def test_files_and_copies_of_low_precision_states(tmp_path):
    optimizer = lp.Adam(0.05, state_dtype={"mean": "float16", "square": "bfloat16"})
    table = make_table(SIZES, 5, dtype="float32", optimizer=optimizer)
    rng = np.random.default_rng(1)
    table.update(*batch(rng, 5))
    table.save(tmp_path / "t.safetensors")
    again = lp.EmbeddingTable.load(tmp_path / "t.safetensors", device=table.device)
    assert again.optimizer.state_dtypes() == optimizer.state_dtypes()
    more = batch(rng, 5)
    for each in (table, again, twin := table.to("cpu")):
        each.update(*more)
    for each in (again, twin):
        assert bits(host(each.weight)) == bits(host(table.weight))
        for name, array in states_of(table).items():
            assert bits(host(each.optimizer_state[name])) == bits(array)
    with pytest.raises(ValueError, match=r"has the states \['mean', 'square'\].*mean in float16"):
        table.optimizer = lp.Adam(0.05)
