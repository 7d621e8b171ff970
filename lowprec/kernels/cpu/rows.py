"""Rounding float32 columns, with the random bits that belong to those columns."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload

from lowprec.kernels.cpu.memory import WIDTH, in_blocks, load, store
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.bits import u32
from lowprec.scalar.formats import random_bits, round_nearest, round_stochastic
from lowprec.scalar.lanes import Lanes, halves_of_lanes, lane_numbers
from lowprec.scalar.xorshift import draw, halves_of, word


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


@njit(forceinline=True, **SERIAL)
def round_columns(values, low, high, column, stochastic, like):
    """Float32 `values`, a block or a number, from `column` on as words of the format of `like`.

    `column` is even where it is a block: two columns share a random word.
    """
    if stochastic:
        return round_stochastic(values, _draws(low, high, column, like, values), like)
    return round_nearest(values, like)


@njit(forceinline=True, **SERIAL)
def round_first_column(values, low, high, stochastic, like):
    """Column 0 of as many rows as there are `values`; `low` and `high` are the rows' keys."""
    if stochastic:
        return round_stochastic(values, draw(low, high, 0, random_bits(like)), like)
    return round_nearest(values, like)


class BlockOfRows(NamedTuple):
    """WIDTH rows of a matrix of one column: scratch, cleared where no row has been put."""

    rows: np.ndarray  # int64
    words: np.ndarray  # the dtype of the matrix
    sums: np.ndarray  # float32: their gradients
    low: np.ndarray  # uint32: the halves of their keys
    high: np.ndarray


@njit(forceinline=True, nogil=True)
def block_of_rows(weight):
    """A new `BlockOfRows`."""
    return BlockOfRows(
        np.zeros(WIDTH, np.int64), np.zeros(WIDTH, weight.dtype), np.zeros(WIDTH, np.float32),
        np.zeros(WIDTH, np.uint32), np.zeros(WIDTH, np.uint32),
    )  # fmt: skip


@njit(forceinline=True, **SERIAL)
def store_row(values, key, stochastic, row):
    """Round the float32 `values` of one row into the words of `row`."""
    low, high = halves_of(key)
    whole = in_blocks(row.size)
    for column in range(0, whole, WIDTH):
        block = load(values, column, WIDTH)
        store(round_columns(block, low, high, column, stochastic, row[0]), row, column)
    for column in range(whole, row.size):
        number = load(values, column, 1)
        store(round_columns(number, low, high, column, stochastic, row[0]), row, column)
