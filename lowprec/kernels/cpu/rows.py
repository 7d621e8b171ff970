"""Rounding a block of float32 columns, with the random bits that belong to those columns."""

import numpy as np
from numba import njit

from lowprec.kernels.cpu.memory import WIDTH, load, store
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.bits import u32
from lowprec.scalar.formats import random_bits, round_nearest, round_stochastic
from lowprec.scalar.lanes import halves_of_lanes, lane_numbers
from lowprec.scalar.xorshift import halves_of, word

_HALF_WIDTH = WIDTH // 2


@njit(forceinline=True, **SERIAL)
def draws(low, high, column, like):
    """``xorshift.draw`` of the WIDTH columns from `column`, an even number, on."""
    bits = random_bits(like)
    if bits <= 16:
        words = word(low, high, u32(np.uint32(column >> 1) + lane_numbers(_HALF_WIDTH)))
        return u32(u32(halves_of_lanes(words)) >> np.uint32(16 - bits))
    words = word(low, high, u32(np.uint32(column) + lane_numbers(WIDTH)))
    return u32(words >> np.uint32(32 - bits))


@njit(forceinline=True, **SERIAL)
def round_block(values, low, high, column, stochastic, like):
    """A block of float32 from `column` on as words of the format of `like`."""
    if stochastic:
        return round_stochastic(values, draws(low, high, column, like), like)
    return round_nearest(values, like)


@njit(forceinline=True, **SERIAL)
def store_row(values, key, stochastic, row):
    """Round the float32 `values` of one row into the words of `row`."""
    low, high = halves_of(key)
    for column in range(0, row.size, WIDTH):
        count = min(WIDTH, row.size - column)
        block = load(values, column, count)
        store(round_block(block, low, high, column, stochastic, row[0]), row, column, count)
