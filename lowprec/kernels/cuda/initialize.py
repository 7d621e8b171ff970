"""Initial weights, drawn row by row so that they need no second copy of a table."""

import numpy as np
from numba import njit

from lowprec.formats.words import round_nearest
from lowprec.kernels.blocks import store
from lowprec.kernels.cuda.launch import INLINE, after, kernel, launch, one_for_each
from lowprec.kernels.keys import first_table, row_key
from lowprec.scalar.xorshift import derive, halves_of, word

_UNIT = np.float32(2.0**-31)


@njit(**INLINE)
def _fill(weight, place, column, low, high, scale):
    value = np.float32(np.int32(word(low, high, np.uint32(column)))) * scale
    store(round_nearest(value, weight), weight, place)


@kernel
def _fill_uniform(thread, threads, weight, first_row, last_row, scale, keys, of_row):
    columns, step = weight.shape[1], np.uint64(0)
    of_first = first_table(keys, step)
    place, end = thread, (last_row - first_row) << of_row.shift
    while place < end:
        row, column = first_row + (place >> of_row.shift), place & (of_row.threads - 1)
        if column < columns:
            low, high = row_key(keys, step, of_first, row)
            _fill(weight, row * columns + column, column, low, high, scale)
        place = after(place, threads)


def fill_uniform(weight, first_row, last_row, bound, keys):
    """Fill these rows with numbers uniform in [-bound, bound], by `RowKeys`, rounded to nearest."""
    scale, of_row = np.float32(bound) * _UNIT, one_for_each(weight.shape[1])
    first_row, last_row = np.int64(first_row), np.int64(last_row)
    size = int(last_row - first_row) * of_row.threads
    launch(_fill_uniform, size, weight, first_row, last_row, scale, keys, of_row)


@kernel
def _fill_rows(thread, threads, weight, rows, numbers, bounds, keys, of_row):
    columns = weight.shape[1]
    key = first_table(keys, np.uint64(0))[0]
    place, end = thread, rows.size << of_row.shift
    while place < end:
        i, column = place >> of_row.shift, place & (of_row.threads - 1)
        if column < columns:
            low, high = halves_of(derive(key, numbers[i]))
            to = np.int64(rows[i]) * columns + column
            _fill(weight, to, column, low, high, bounds[i] * _UNIT)
        place = after(place, threads)


def fill_rows(weight, rows, numbers, bounds, keys):
    """Fill ``weight[rows[i]]`` as `fill_uniform` does row ``numbers[i]``, within ``bounds[i]``.

    `rows` differ; `keys` are those of one table.
    """
    of_row = one_for_each(weight.shape[1])
    launch(_fill_rows, rows.size * of_row.threads, weight, rows, numbers, bounds, keys, of_row)
