"""Initial weights, drawn row by row so that they need no second copy of a table."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.options import PARALLEL
from lowprec.kernels.cpu.rows import store_row
from lowprec.scalar.xorshift import derive, halves_of, word


@njit(**PARALLEL)
def fill_uniform(weight, first_row, last_row, bound, key):
    """Fill these rows with numbers uniform in [-bound, bound], rounded to nearest."""
    scale = np.float32(bound) * np.float32(2.0**-31)
    for row in prange(first_row, last_row):
        values = np.empty(weight.shape[1], np.float32)
        low, high = halves_of(derive(key, row))
        for c in range(values.size):
            values[c] = np.float32(np.int32(word(low, high, np.uint32(c)))) * scale
        store_row(values, key, False, weight[row])
