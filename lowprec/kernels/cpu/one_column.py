"""Tables of one column: rows are single numbers, so WIDTH rows fill the lanes instead."""

import numpy as np
from numba import njit

from lowprec.kernels.blocks import load
from lowprec.kernels.columns import by_column, copy_numbers, step_columns, step_row
from lowprec.kernels.cpu.gradients import sum_runs_of_one_column
from lowprec.kernels.cpu.memory import WIDTH, prefetch_numbers
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.runs import row_of_run
from lowprec.kernels.keys import row_key

_ROWS_AHEAD = np.uint64(24)


def scratch_of_rows(arrays, threads):
    """For each thread WIDTH numbers of each array, and their rows, gradients and keys.

    Lanes without a row hold zeros, or what they held before: any number may be stepped.
    """
    shape = (threads, WIDTH)
    numbers = tuple(np.zeros(shape, array.dtype) for array in arrays)
    dtypes = (np.int64, np.float32, np.uint32, np.uint32)
    return numbers, *(np.zeros(shape, dtype) for dtype in dtypes)


@njit(**SERIAL)
def step_range_of_one_column(
    rule, arrays, runs, gradients, keys, step, stochastic, numbers, rows, sums, lows, highs, at,
    first, last,
):  # fmt: skip
    """Step the runs from `first` to `last`; `numbers` from `at` on are this thread's."""
    for start in range(first, last, np.uint64(WIDTH)):
        count = min(np.uint64(WIDTH), last - start)
        sum_runs_of_one_column(runs, gradients, start, count, rows, sums)
        for lane in range(count):
            ahead = min(start + lane + _ROWS_AHEAD, last - np.uint64(1))
            prefetch_numbers(arrays, row_of_run(runs, ahead))
            lows[lane], highs[lane] = row_key(keys, step, rows[lane])
            copy_numbers(arrays, rows[lane], numbers, at + lane)
        gradient = load(sums, 0, WIDTH)
        low, high = load(lows, 0, WIDTH), load(highs, 0, WIDTH)
        own = step_row(rule, numbers, at, gradient * gradient)
        step_columns(own, by_column(rule, numbers), at, 0, gradient, low, high, stochastic)
        for lane in range(count):
            copy_numbers(numbers, at + lane, arrays, rows[lane])
