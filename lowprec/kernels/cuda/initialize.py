"""Initial weights, drawn row by row so that they need no second copy of a table."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.formats.words import round_nearest
from lowprec.kernels.blocks import store
from lowprec.kernels.cache import cached
from lowprec.kernels.cuda.launch import THREAD, kernel, launch
from lowprec.kernels.keys import RowKeys, first_table, row_key
from lowprec.scalar.xorshift import word


class _Fill(NamedTuple):
    weight: np.ndarray
    keys: RowKeys


class _FillNumbers(NamedTuple):
    first_row: np.int64
    last_row: np.int64
    scale: np.float32


@cached
@njit(**THREAD)
def _fill_uniform(thread, threads, arrays, numbers):
    weight = arrays.weight
    columns = weight.shape[1]
    first, last = numbers.first_row * columns, numbers.last_row * columns
    step = np.uint64(0)
    of_first = first_table(arrays.keys, step)
    for place in range(first + thread, last, threads):
        row = place // columns
        column = place - row * columns
        low, high = row_key(arrays.keys, step, of_first, row)
        value = np.float32(np.int32(word(low, high, np.uint32(column)))) * numbers.scale
        store(round_nearest(value, weight), weight, place)


_run_fill_uniform = kernel(_fill_uniform)


def fill_uniform(weight, first_row, last_row, bound, keys):
    """Fill these rows with numbers uniform in [-bound, bound], by `RowKeys`, rounded to nearest."""
    scale = np.float32(bound) * np.float32(2.0**-31)
    numbers = _FillNumbers(np.int64(first_row), np.int64(last_row), scale)
    size = int(last_row - first_row) * weight.shape[1]
    launch(_run_fill_uniform, size, _Fill(weight, keys), numbers)
