"""Initial weights, drawn row by row so that they need no second copy of a table."""

import numpy as np
from numba import njit

from lowprec.formats.words import round_nearest
from lowprec.kernels.blocks import store
from lowprec.kernels.cuda.launch import INLINE, kernel, launch
from lowprec.kernels.keys import first_table, row_key
from lowprec.scalar.xorshift import derive, halves_of, word

_UNIT = np.float32(2.0**-31)


@njit(**INLINE)
def _fill(weight, place, column, low, high, scale):
    value = np.float32(np.int32(word(low, high, np.uint32(column)))) * scale
    store(round_nearest(value, weight), weight, place)


@kernel
def _fill_uniform(thread, threads, weight, first_row, last_row, scale, keys):
    columns = weight.shape[1]
    first, last = first_row * columns, last_row * columns
    step = np.uint64(0)
    of_first = first_table(keys, step)
    for place in range(first + thread, last, threads):
        row = place // columns
        low, high = row_key(keys, step, of_first, row)
        _fill(weight, place, place - row * columns, low, high, scale)


def fill_uniform(weight, first_row, last_row, bound, keys):
    """Fill these rows with numbers uniform in [-bound, bound], by `RowKeys`, rounded to nearest."""
    scale = np.float32(bound) * _UNIT
    size = int(last_row - first_row) * weight.shape[1]
    launch(_fill_uniform, size, weight, np.int64(first_row), np.int64(last_row), scale, keys)


@kernel
def _fill_rows(thread, threads, weight, rows, numbers, bounds, keys):
    columns = weight.shape[1]
    key = first_table(keys, np.uint64(0))[0]
    for at in range(thread, rows.size * columns, threads):
        i = at // columns
        column = at - i * columns
        low, high = halves_of(derive(key, numbers[i]))
        place = np.int64(rows[i]) * columns + column
        _fill(weight, place, column, low, high, bounds[i] * _UNIT)


def fill_rows(weight, rows, numbers, bounds, keys):
    """Fill ``weight[rows[i]]`` as `fill_uniform` does row ``numbers[i]``, within ``bounds[i]``.

    `rows` differ; `keys` are those of one table.
    """
    launch(_fill_rows, rows.size * weight.shape[1], weight, rows, numbers, bounds, keys)
