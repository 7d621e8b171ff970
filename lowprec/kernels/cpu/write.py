"""Storing rows as they are given."""

import numpy as np

from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import NUMBERS_TO_FIND_A_ROW, launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.rows import store_row
from lowprec.kernels.keys import first_table, row_key
from lowprec.scalar.internal import internal


@internal(**SERIAL)
def _write_range(weight, rows, values, keys, step, stochastic, first, last):
    of_first = first_table(keys, step)
    for i in range(first, last):
        row = np.int64(rows[i])
        low, high = row_key(keys, step, of_first, row)
        store_row(values[i], low, high, stochastic, weight[row])


@parallel
def _write_rows(weight, rows, values, keys, step, stochastic, t, threads):
    first, last = t * rows.size // threads, (t + 1) * rows.size // threads
    _write_range(weight, rows, values, keys, step, stochastic, first, last)


def write_rows(weight, rows, values, keys, step, stochastic):
    """``weight[rows[i]] = values[i]``, rounded by the keys of the rows; `rows` differ."""
    threads = threads_for(rows.size * (weight.shape[1] + NUMBERS_TO_FIND_A_ROW))
    launch(_write_rows, threads, weight, rows, values, keys, step, stochastic)
