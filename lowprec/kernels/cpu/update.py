"""Updating a table: each row of the batch is summed, stepped, rounded and stored by one owner."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.gradients import is_finite, prefetch_gradients, row_of_run, sum_run
from lowprec.kernels.cpu.memory import WIDTH, load, prefetch_row, store
from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.rows import round_block
from lowprec.kernels.cpu.search import first_at_least
from lowprec.scalar.formats import decode
from lowprec.scalar.updates import sgd
from lowprec.scalar.xorshift import derive, halves_of

ROWS_AHEAD = 24


@njit(forceinline=True, **SERIAL)
def _first_run(starts, part, parts):
    """The first run of a part of the batch: halfway between equal ids and equal rows a part."""
    runs = starts.size - 1
    by_ids = first_at_least(starts, starts[runs] * part // parts)
    return (by_ids + runs * part // parts) // 2


@njit(**SERIAL)
def _sgd_range(weight, runs, gradients, learning_rate, key, stochastic, guard, first, last):
    columns = weight.shape[1]
    like = weight[0, 0]
    skipped = 0
    for run in range(first, last):
        prefetch_row(weight, np.int64(row_of_run(runs, min(run + ROWS_AHEAD, last - 1))))
        prefetch_gradients(runs, gradients, run)
        if guard and not is_finite(runs, gradients, run, learning_rate):
            skipped += 1
            continue
        row = row_of_run(runs, run)
        low, high = halves_of(derive(key, row))
        for column in range(0, columns, WIDTH):
            count = min(WIDTH, columns - column)
            place = np.int64(row) * columns + column
            gradient = sum_run(runs, gradients, run, column, count)
            values = sgd(decode(load(weight, place, count)), gradient, learning_rate)
            words = round_block(values, low, high, column, stochastic, like)
            store(words, weight, place, count)
    return skipped


@njit(**PARALLEL)
def update_sgd(weight, runs, gradients, learning_rate, key, stochastic, guard, skipped):
    """One SGD step on every row of the batch, by as many threads as `skipped` has entries.

    With `guard`, rows whose step is not finite are left as they are; `skipped` says how many, for
    each thread.
    """
    threads = skipped.size
    for t in prange(threads):
        first = _first_run(runs.starts, t, threads)
        last = _first_run(runs.starts, t + 1, threads)
        skipped[t] = _sgd_range(
            weight, runs, gradients, learning_rate, key, stochastic, guard, first, last
        )
