"""Whole rows of float32 numbers into words, and rows of one number a block at a time."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.blocks import load, store
from lowprec.kernels.cpu.memory import WIDTH, in_blocks
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.rows import round_columns
from lowprec.scalar.xorshift import halves_of


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
        store(round_columns(block, low, high, column, stochastic, row), row, column)
    for column in range(whole, row.size):
        number = load(values, column, 1)
        store(round_columns(number, low, high, column, stochastic, row), row, column)
