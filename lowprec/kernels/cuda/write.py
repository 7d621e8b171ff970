"""Storing rows as they are given."""

import numpy as np

from lowprec.kernels.blocks import load, store
from lowprec.kernels.columns import round_columns
from lowprec.kernels.cuda.launch import kernel, launch
from lowprec.kernels.keys import first_table, row_key


@kernel
def _write_rows(thread, threads, weight, rows, values, keys, step, stochastic):
    columns = values.shape[1]
    of_first = first_table(keys, step)
    for place in range(thread, values.size, threads):
        i = place // columns
        column = place - i * columns
        row = np.int64(rows[i])
        low, high = row_key(keys, step, of_first, row)
        value = load(values, place, 1)
        word = round_columns(value, low, high, column, stochastic, weight)
        store(word, weight, row * columns + column)


def write_rows(weight, rows, values, keys, step, stochastic):
    """``weight[rows[i]] = values[i]``, rounded by the keys of the rows; `rows` differ."""
    step, stochastic = np.uint64(step), np.bool_(stochastic)
    launch(_write_rows, values.size, weight, rows, values, keys, step, stochastic)
