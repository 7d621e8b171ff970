"""Rounding of whole arrays, for the functions of `lowprec.rounding`."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.options import PARALLEL
from lowprec.kernels.cpu.rows import store_row
from lowprec.scalar import formats
from lowprec.scalar.xorshift import ROUND_BLOCK, derive


@njit(**PARALLEL)
def round_stochastic(x, key, out):
    """Round 1-D float32 `x` into the words `out`; i is column i % ROUND_BLOCK of a row."""
    for block in prange((x.size + ROUND_BLOCK - 1) // ROUND_BLOCK):
        first, last = block * ROUND_BLOCK, min((block + 1) * ROUND_BLOCK, x.size)
        store_row(x[first:last], derive(key, block), True, out[first:last])


@njit(**PARALLEL)
def round_nearest(x, out):
    """Round 1-D float32 `x` to nearest, ties to even, into the words `out`."""
    for block in prange((x.size + ROUND_BLOCK - 1) // ROUND_BLOCK):
        first, last = block * ROUND_BLOCK, min((block + 1) * ROUND_BLOCK, x.size)
        store_row(x[first:last], np.uint64(0), False, out[first:last])


@njit(**PARALLEL)
def round_up_probability(x, like, out):
    """The chance (float64, into `out`) that 1-D float32 `x` is rounded towards +inf.

    Of `like`, words of the format, only the type matters.
    """
    for i in prange(x.size):
        out[i] = formats.round_up_probability(x[i], like)
