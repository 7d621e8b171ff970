"""Steps of every optimizer stay finite, or are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lowprec as lp
from lowprec.optimizers.rules import largest_gradient
from tests.devices import DEVICE, host
from tests.optimizers.cases import every_optimizer, states_of
from tests.tables.small import bits

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.skipif(DEVICE != "cpu", reason="a hundred tables")
@every_optimizer
@given(st.lists(finite, min_size=4, max_size=4), st.lists(finite, min_size=4, max_size=4))
def test_finite_gradients_give_finite_numbers_or_an_error(optimizer, first, second):
    table = lp.EmbeddingTable(1, 4, "float32", optimizer=optimizer)
    for gradient in (first, second, first, first):
        before = bits(table.weight), [bits(array) for array in table.optimizer_state.values()]
        try:
            table.update([0], np.array([gradient], np.float32))
        except FloatingPointError:
            after = bits(table.weight), [bits(array) for array in table.optimizer_state.values()]
            assert after == before
        assert np.isfinite(table.weight).all()
        assert all(np.isfinite(array).all() for array in table.optimizer_state.values())


@pytest.mark.skipif(DEVICE != "cpu", reason="a hundred tables")
@every_optimizer
@given(st.data())
def test_any_finite_states_give_finite_numbers_or_an_error(optimizer, data):
    """States that a program wrote, such as squares that are negative."""
    four = st.lists(finite, min_size=4, max_size=4)
    table = lp.EmbeddingTable(1, 4, "float32", optimizer=optimizer)
    table.weight[0] = data.draw(four)
    for array in table.optimizer_state.values():
        if array.dtype == np.float32:
            array[0] = data.draw(four)[: array.shape[1]]
    for _ in range(2):
        gradient = np.array([data.draw(four)], np.float32)
        try:
            table.update([0], gradient)
        except FloatingPointError:
            table.update([0], gradient / np.float32(1e30))
        assert np.isfinite(table.weight).all()
        assert all(np.isfinite(array).all() for array in table.optimizer_state.values())


@every_optimizer
def test_the_least_states_give_finite_numbers(optimizer):
    """Also where a gradient's square is just what float32 rounds to the next number, an inf."""
    table = lp.EmbeddingTable(1, 2, "float32", optimizer=optimizer, device=DEVICE)
    for array in table.optimizer_state.values():
        if array.dtype == np.float32:
            array[0] = -np.finfo(np.float32).max
    for _ in range(2):
        table.update([0], np.full((1, 2), 3184526050197504.0, np.float32))
        assert np.isfinite(host(table.weight)).all()
        assert all(np.isfinite(array).all() for array in states_of(table).values())


@every_optimizer
def test_the_largest_gradient_is_stepped(optimizer):
    table = lp.EmbeddingTable(1, 2, "float32", optimizer=optimizer, init_range=0.0, device=DEVICE)
    largest = largest_gradient(optimizer, optimizer.rule(0), 2)
    for _ in range(3):
        table.update([0], np.full((1, 2), largest, np.float32))
    assert np.isfinite(host(table.weight)).all()
    with np.errstate(over="ignore"):
        beyond = np.nextafter(largest, np.float32(np.inf))
    with pytest.raises(FloatingPointError, match="nothing was updated"):
        table.update([0], np.full((1, 2), beyond, np.float32))
