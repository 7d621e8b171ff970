"""Updating a table: each row of the batch is summed, stepped, rounded and stored by one owner."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.gradients import (
    bag_at,
    is_finite,
    is_one_gradient,
    prefetch_gradient,
    row_of_run,
    sum_run,
)
from lowprec.kernels.cpu.memory import WIDTH, load, prefetch_row, store, zeros
from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.rows import round_block
from lowprec.kernels.cpu.search import first_at_least
from lowprec.scalar.formats import decode
from lowprec.scalar.updates import sgd
from lowprec.scalar.xorshift import derive, halves_of

_ROWS_AHEAD = np.uint64(24)


@njit(forceinline=True, **SERIAL)
def _first_run(starts, part, parts):
    """The first run of a part of the batch: halfway between equal ids and equal rows a part."""
    runs = starts.size - 1
    by_ids = first_at_least(starts, np.int64(starts[runs]) * part // parts)
    return np.uint64((by_ids + runs * part // parts) // 2)


@njit(**SERIAL)
def _sgd_range(weight, runs, gradients, learning_rate, key, stochastic, guard, first, last, total):
    columns = weight.shape[1]
    like = weight[0, 0]
    skipped = 0
    for run in range(first, last):
        ahead = min(run + _ROWS_AHEAD, last - np.uint64(1))
        prefetch_row(weight, row_of_run(runs, ahead))
        as_it_is = is_one_gradient(runs, gradients, run) and not guard
        if as_it_is:
            place = np.uint64(runs.starts[run])
            prefetch_gradient(gradients, runs.order, place)
            gradient = gradients.grad
            first_column = bag_at(gradients, runs.order[place]) * columns
        else:
            sum_run(runs, gradients, run, total[0])
            gradient, first_column = total, 0
            if guard and not is_finite(total[0], learning_rate):
                skipped += 1
                continue
        row = row_of_run(runs, run)
        low, high = halves_of(derive(key, row))
        for column in range(0, columns, WIDTH):
            count = min(WIDTH, columns - column)
            step = load(gradient, first_column + column, count)
            if as_it_is:
                step = zeros(gradient) + step  # a sum begins with 0.0, which matters to -0.0
            values = sgd(decode(load(weight, row * columns + column, count)), step, learning_rate)
            words = round_block(values, low, high, column, stochastic, like)
            store(words, weight, row * columns + column, count)
    return skipped


@njit(**PARALLEL)
def update_sgd(weight, runs, gradients, learning_rate, key, stochastic, guard, totals, skipped):
    """One SGD step on every row of the batch, by as many threads as `skipped` has entries.

    `totals` (threads, columns) float32 is scratch.  With `guard`, rows whose step is not finite
    are left as they are; `skipped` says how many, for each thread.
    """
    threads = skipped.size
    for t in prange(threads):
        first = _first_run(runs.starts, t, threads)
        last = _first_run(runs.starts, t + 1, threads)
        skipped[t] = _sgd_range(
            weight, runs, gradients, learning_rate, key, stochastic, guard,
            first, last, totals[t : t + 1],
        )  # fmt: skip
