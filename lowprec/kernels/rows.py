"""Rounding float32 columns, with the random bits that belong to those columns."""

import numpy as np
from numba import njit
from numba.extending import overload

from lowprec.scalar.bits import u32
from lowprec.scalar.formats import random_bits, round_nearest, round_stochastic
from lowprec.scalar.lanes import Lanes, halves_of_lanes, lane_numbers
from lowprec.scalar.xorshift import draw, word


def _draws(low, high, column, like, values): ...


@overload(_draws, jit_options={"forceinline": True})
def _overload_draws(low, high, column, like, values):
    if not isinstance(values, Lanes):
        return lambda low, high, column, like, values: draw(low, high, column, random_bits(like))
    count = values.count
    half_count = count // 2

    def draws_of_block(low, high, column, like, values):
        bits = random_bits(like)
        if bits <= 16:
            words = word(low, high, u32(np.uint32(column >> 1) + lane_numbers(half_count)))
            return u32(u32(halves_of_lanes(words)) >> np.uint32(16 - bits))
        words = word(low, high, u32(np.uint32(column) + lane_numbers(count)))
        return u32(words >> np.uint32(32 - bits))

    return draws_of_block


@njit(forceinline=True)
def round_columns(values, low, high, column, stochastic, like):
    """Float32 `values`, a block or a number, from `column` on as words of the format of `like`.

    `column` is even where it is a block: two columns share a random word.
    """
    if stochastic:
        return round_stochastic(values, _draws(low, high, column, like, values), like)
    return round_nearest(values, like)


@njit(forceinline=True)
def round_first_column(values, low, high, stochastic, like):
    """Column 0 of as many rows as there are `values`; `low` and `high` are the rows' keys."""
    if stochastic:
        return round_stochastic(values, draw(low, high, 0, random_bits(like)), like)
    return round_nearest(values, like)
