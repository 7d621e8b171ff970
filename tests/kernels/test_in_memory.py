"""Numbers of a step that kernels read from memory."""

from typing import NamedTuple

import numpy as np
import pytest
from numba import njit

from lowprec.kernels.in_memory import InMemory, cells_of, in_cells, like_of, taken
from lowprec.optimizers.rules import rules_of
from tests.optimizers.cases import ALL

BY_VALUE = [optimizer for optimizer in ALL if not optimizer.catches_up]


class Pair(NamedTuple):
    small: np.float32
    large: np.uint64


@njit
def read(numbers):
    return taken(numbers)


@pytest.mark.parametrize("optimizer", BY_VALUE, ids=repr)
def test_the_numbers_of_a_later_step(optimizer):
    """A kernel that was given those of step 0 by value, and of another one in memory."""
    given, later = ((rules_of(optimizer, step), np.uint64(step)) for step in (0, 2**63 + 5))
    rules, step = in_cells(given, cells_of(later))
    assert (like_of(rules), like_of(step)) == given
    found = read(rules)
    assert found == later[0]
    assert [type(part) for part in found] == [type(part) for part in later[0]]
    assert read(step) == later[1]


def test_numbers_by_value_are_as_they_are():
    for numbers in (Pair(np.float32(0.1), np.uint64(2**64 - 1)), np.float32(-np.inf), ()):
        assert read(numbers) == numbers
        assert like_of(numbers) == numbers


@pytest.mark.parametrize("number", [-0.0, np.inf, 1e-45, 3.4e38])
def test_every_number_has_its_bits(number):
    given = ((Pair(np.float32(number), np.uint64(2**64 - 1)), (np.float32(number),)),)
    (held,) = in_cells(given, cells_of(given))
    pair, (single,) = read(held)
    for found in (pair.small, single):
        assert np.float32(found).tobytes() == np.float32(number).tobytes()
    assert pair.large == 2**64 - 1


@pytest.mark.parametrize("number", [0.5, 3, True, np.float64(0.5), np.int64(3), None])
def test_other_numbers_are_refused(number):
    with pytest.raises(TypeError, match="only float32 and uint64 are kept in memory"):
        cells_of((np.float32(1.0), (number,)))


def test_cells_are_in_the_order_of_the_numbers():
    numbers = (Pair(np.float32(1.0), np.uint64(7)), np.float32(2.0))
    cells = cells_of(numbers)
    assert cells.tolist() == [0x3F800000, 7, 0x40000000]
    first, second = in_cells(numbers, cells)
    assert isinstance(first, InMemory)
    assert (len(first.cells), len(second.cells)) == (2, 1)
