"""Updating a table: each row of the batch is summed, stepped, rounded and stored by one owner."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.gradients import is_finite, row_of_run, sum_run
from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.prefetch import prefetch_row
from lowprec.kernels.cpu.rows import store_nearest, store_stochastic
from lowprec.kernels.cpu.search import first_at_least
from lowprec.scalar.formats import decode
from lowprec.scalar.updates import sgd
from lowprec.scalar.xorshift import derive

ROWS_AHEAD = 24


@njit(forceinline=True, **SERIAL)
def _first_run(starts, part, parts):
    """The first run of a part of the batch: halfway between equal ids and equal rows a part."""
    runs = starts.size - 1
    by_ids = first_at_least(starts, starts[runs] * part // parts)
    return (by_ids + runs * part // parts) // 2


@njit(**SERIAL)
def _sgd_range(
    weight, runs, gradients, learning_rate, key, stochastic, guard, first, last, values, words
):
    skipped = 0
    for run in range(first, last):
        prefetch_row(weight, np.int64(row_of_run(runs, min(run + ROWS_AHEAD, last - 1))))
        sum_run(runs, gradients, run, values)
        if guard and not is_finite(values, learning_rate):
            skipped += 1
            continue
        index = row_of_run(runs, run)
        row = weight[index]
        for c in range(values.size):
            values[c] = sgd(decode(row[c]), values[c], learning_rate)
        if stochastic:
            store_stochastic(values, derive(key, index), words, row)
        else:
            store_nearest(values, row)
    return skipped


@njit(**PARALLEL)
def update_sgd(
    weight, runs, gradients, learning_rate, key, stochastic, guard, values, words, skipped
):
    """One SGD step on every row of the batch, by as many threads as `skipped` has entries.

    `values` (threads, columns) float32 and `words`, the same in uint32, are scratch.  With `guard`,
    rows whose step is not finite are left as they are; `skipped` says how many, for each thread.
    """
    threads = skipped.size
    for t in prange(threads):
        first = _first_run(runs.starts, t, threads)
        last = _first_run(runs.starts, t + 1, threads)
        skipped[t] = _sgd_range(
            weight, runs, gradients, learning_rate, key, stochastic, guard,
            first, last, values[t], words[t],
        )  # fmt: skip
