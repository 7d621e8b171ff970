"""Initial weights, drawn row by row so that they need no second copy of a table."""

import numpy as np

from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import NUMBERS_TO_FIND_A_ROW, launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.rows import store_row
from lowprec.kernels.keys import first_table, row_key
from lowprec.scalar.internal import internal
from lowprec.scalar.xorshift import derive, halves_of, word

_UNIT = np.float32(2.0**-31)


@internal(**SERIAL)
def _fill_row(row, scale, low, high, values):
    for c in range(values.size):
        values[c] = np.float32(np.int32(word(low, high, np.uint32(c)))) * scale
    store_row(values, low, high, False, row)


@internal(**SERIAL)
def _fill_range(weight, scale, keys, values, first, last):
    step = np.uint64(0)
    of_first = first_table(keys, step)
    for row in range(first, last):
        low, high = row_key(keys, step, of_first, row)
        _fill_row(weight[row], scale, low, high, values)


@parallel
def _fill_uniform(weight, first_row, last_row, scale, keys, values, t, threads):
    rows = last_row - first_row
    first, last = first_row + t * rows // threads, first_row + (t + 1) * rows // threads
    _fill_range(weight, scale, keys, values[t], first, last)


def fill_uniform(weight, first_row, last_row, bound, keys):
    """Fill these rows with numbers uniform in [-bound, bound], by `RowKeys`, rounded to nearest."""
    scale = np.float32(bound) * _UNIT
    threads = threads_for((last_row - first_row) * weight.shape[1])
    values = np.empty((threads, weight.shape[1]), np.float32)
    launch(_fill_uniform, threads, weight, first_row, last_row, scale, keys, values)


@internal(**SERIAL)
def _fill_rows_range(weight, rows, numbers, bounds, keys, values, first, last):
    key = first_table(keys, np.uint64(0))[0]
    for i in range(first, last):
        low, high = halves_of(derive(key, numbers[i]))
        _fill_row(weight[np.int64(rows[i])], bounds[i] * _UNIT, low, high, values)


@parallel
def _fill_rows(weight, rows, numbers, bounds, keys, values, t, threads):
    first, last = t * rows.size // threads, (t + 1) * rows.size // threads
    _fill_rows_range(weight, rows, numbers, bounds, keys, values[t], first, last)


def fill_rows(weight, rows, numbers, bounds, keys):
    """Fill ``weight[rows[i]]`` as `fill_uniform` does row ``numbers[i]``, within ``bounds[i]``.

    `rows` differ; `keys` are those of one table.
    """
    threads = threads_for(rows.size * (weight.shape[1] + NUMBERS_TO_FIND_A_ROW))
    values = np.empty((threads, weight.shape[1]), np.float32)
    launch(_fill_rows, threads, weight, rows, numbers, bounds, keys, values)
