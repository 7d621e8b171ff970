"""Initial weights, drawn row by row so that they need no second copy of a table."""

import numpy as np

from lowprec.formats.words import round_nearest
from lowprec.kernels.blocks import store
from lowprec.kernels.cuda.launch import kernel, launch
from lowprec.kernels.keys import first_table, row_key
from lowprec.scalar.xorshift import word


@kernel
def _fill_uniform(thread, threads, weight, first_row, last_row, scale, keys):
    columns = weight.shape[1]
    first, last = first_row * columns, last_row * columns
    step = np.uint64(0)
    of_first = first_table(keys, step)
    for place in range(first + thread, last, threads):
        row = place // columns
        column = place - row * columns
        low, high = row_key(keys, step, of_first, row)
        value = np.float32(np.int32(word(low, high, np.uint32(column)))) * scale
        store(round_nearest(value, weight), weight, place)


def fill_uniform(weight, first_row, last_row, bound, keys):
    """Fill these rows with numbers uniform in [-bound, bound], by `RowKeys`, rounded to nearest."""
    scale = np.float32(bound) * np.float32(2.0**-31)
    size = int(last_row - first_row) * weight.shape[1]
    launch(_fill_uniform, size, weight, np.int64(first_row), np.int64(last_row), scale, keys)
