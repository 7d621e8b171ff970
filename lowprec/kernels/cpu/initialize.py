"""Initial weights, drawn row by row so that they need no second copy of a table."""

import numpy as np

from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.processor import parallel
from lowprec.kernels.cpu.rows import store_row
from lowprec.kernels.keys import first_table, row_key
from lowprec.scalar.internal import internal
from lowprec.scalar.xorshift import word


@internal(**SERIAL)
def _fill_range(weight, scale, keys, values, first, last):
    step = np.uint64(0)
    of_first = first_table(keys, step)
    for row in range(first, last):
        low, high = row_key(keys, step, of_first, row)
        for c in range(values.size):
            values[c] = np.float32(np.int32(word(low, high, np.uint32(c)))) * scale
        store_row(values, low, high, False, weight[row])


@parallel
def _fill_uniform(weight, first_row, last_row, scale, keys, values, t, threads):
    rows = last_row - first_row
    first, last = first_row + t * rows // threads, first_row + (t + 1) * rows // threads
    _fill_range(weight, scale, keys, values[t], first, last)


def fill_uniform(weight, first_row, last_row, bound, keys):
    """Fill these rows with numbers uniform in [-bound, bound], by `RowKeys`, rounded to nearest."""
    scale = np.float32(bound) * np.float32(2.0**-31)
    threads = threads_for((last_row - first_row) * weight.shape[1])
    values = np.empty((threads, weight.shape[1]), np.float32)
    launch(_fill_uniform, threads, weight, first_row, last_row, scale, keys, values)
