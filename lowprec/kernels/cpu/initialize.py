"""Initial weights, drawn row by row so that they need no second copy of a table."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.rows import store_row
from lowprec.scalar.xorshift import derive, halves_of, word


@njit(**SERIAL)
def _fill_range(weight, scale, key, values, first, last):
    for row in range(first, last):
        low, high = halves_of(derive(key, row))
        for c in range(values.size):
            values[c] = np.float32(np.int32(word(low, high, np.uint32(c)))) * scale
        store_row(values, key, False, weight[row])


@njit(**PARALLEL)
def _fill_uniform(weight, first_row, last_row, scale, key, values, threads):
    rows = last_row - first_row
    for t in prange(threads):
        first, last = first_row + t * rows // threads, first_row + (t + 1) * rows // threads
        _fill_range(weight, scale, key, values[t], first, last)


def fill_uniform(weight, first_row, last_row, bound, key):
    """Fill these rows with numbers uniform in [-bound, bound], rounded to nearest."""
    scale = np.float32(bound) * np.float32(2.0**-31)
    threads = threads_for((last_row - first_row) * weight.shape[1])
    values = np.empty((threads, weight.shape[1]), np.float32)
    launch(_fill_uniform, threads, weight, first_row, last_row, scale, key, values)
