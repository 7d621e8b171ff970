"""Storing rows as they are given."""

import numpy as np

from lowprec.kernels.blocks import load, store
from lowprec.kernels.columns import round_columns
from lowprec.kernels.cuda.launch import after, kernel, launch, one_for_each
from lowprec.kernels.keys import first_table, row_key


@kernel
def _write_rows(thread, threads, weight, rows, values, keys, step, stochastic, of_row):
    columns = values.shape[1]
    of_first = first_table(keys, step)
    place, end = thread, rows.size << of_row.shift
    while place < end:
        i, column = place >> of_row.shift, place & (of_row.threads - 1)
        if column < columns:
            row = np.int64(rows[i])
            low, high = row_key(keys, step, of_first, row)
            value = load(values, i * columns + column, 1)
            word = round_columns(value, low, high, column, stochastic, weight)
            store(word, weight, row * columns + column)
        place = after(place, threads)


def write_rows(weight, rows, values, keys, step, stochastic):
    """``weight[rows[i]] = values[i]``, rounded by the keys of the rows; `rows` differ."""
    step, stochastic = np.uint64(step), np.bool_(stochastic)
    of_row = one_for_each(values.shape[1])
    launch(
        _write_rows, rows.size * of_row.threads,
        weight, rows, values, keys, step, stochastic, of_row,
    )  # fmt: skip
