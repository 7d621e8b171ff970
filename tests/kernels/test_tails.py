"""Moving some columns to lanes and back at once."""

import numpy as np
import pytest
from numba import njit

from lowprec.formats.entries import FORMATS
from lowprec.kernels.cpu.memory import WIDTH
from lowprec.kernels.cpu.tails import MOVES_SOME, give, new_lanes, take

WORDS = {"float32": np.dtype(np.float32)} | {each.name: each.word for each in FORMATS}


@njit
def move(source, place, target, at, count):
    lanes = new_lanes((source, source))
    take((source, source), place, lanes, count)
    give((target, target), at, lanes, count)


@pytest.mark.skipif(not MOVES_SOME, reason="this CPU has no instructions for it")
@pytest.mark.parametrize("count", [0, 1, 3, 4, 11, WIDTH - 1, WIDTH])
@pytest.mark.parametrize("name", WORDS)
def test_so_many_are_moved_and_no_more(name, count):
    """Also where the array ends behind them."""
    size = WORDS[name].itemsize
    integer = np.dtype(f"u{size}")
    source = np.arange(1, 3 * WIDTH + 1).astype(integer)
    target = np.full(2 * WIDTH, 255, integer)
    expected = target.copy()
    expected[5 : 5 + count] = source[source.size - count :]
    word = WORDS[name]
    move(source.view(word), source.size - count, target.view(word), 5, count)
    np.testing.assert_array_equal(target, expected)
