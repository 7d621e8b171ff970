"""Storing rows as they are given."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.blocks import load, store
from lowprec.kernels.cache import cached
from lowprec.kernels.columns import round_columns
from lowprec.kernels.cuda.launch import THREAD, kernel, launch
from lowprec.kernels.keys import RowKeys, first_table, row_key


class _Write(NamedTuple):
    weight: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    keys: RowKeys


class _WriteNumbers(NamedTuple):
    step: np.uint64
    stochastic: np.bool_


@cached
@njit(**THREAD)
def _write_rows(thread, threads, arrays, numbers):
    columns = arrays.values.shape[1]
    of_first = first_table(arrays.keys, numbers.step)
    for place in range(thread, arrays.values.size, threads):
        i = place // columns
        column = place - i * columns
        row = np.int64(arrays.rows[i])
        low, high = row_key(arrays.keys, numbers.step, of_first, row)
        value = load(arrays.values, place, 1)
        word = round_columns(value, low, high, column, numbers.stochastic, arrays.weight)
        store(word, arrays.weight, row * columns + column)


_run_write_rows = kernel(_write_rows)


def write_rows(weight, rows, values, keys, step, stochastic):
    """``weight[rows[i]] = values[i]``, rounded by the keys of the rows; `rows` differ."""
    numbers = _WriteNumbers(np.uint64(step), np.bool_(stochastic))
    launch(_run_write_rows, values.size, _Write(weight, rows, values, keys), numbers)
