"""Updating a table: each row of the batch is summed, stepped, rounded and stored by one owner."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.blocks import load, store
from lowprec.kernels.cpu.gradients import (
    are_finite,
    bag_at,
    is_one_gradient,
    prefetch_gradient,
    sum_run,
    sum_runs_of_one_column,
)
from lowprec.kernels.cpu.launch import NUMBERS_TO_FIND_A_ROW, launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH, in_blocks, prefetch_number, prefetch_row
from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.rows import block_of_rows
from lowprec.kernels.cpu.runs import row_of_run
from lowprec.kernels.cpu.search import first_at_least
from lowprec.kernels.rows import round_columns, round_first_column
from lowprec.scalar.formats import decode
from lowprec.scalar.updates import sgd
from lowprec.scalar.xorshift import derive, halves_of

_ROWS_AHEAD = np.uint64(24)
_NEGATIVE_ZERO = np.float32(-0.0)


@njit(forceinline=True, **SERIAL)
def _first_run(starts, part, parts):
    """The first run of a part of the batch: halfway between equal ids and equal rows a part."""
    runs = starts.size - 1
    by_ids = first_at_least(starts, np.int64(starts[runs]) * part // parts)
    return np.uint64((by_ids + runs * part // parts) // 2)


@njit(forceinline=True, **SERIAL)
def _sgd_columns(weight, place, gradient, learning_rate, low, high, column, stochastic):
    """Step the weights from `place` on by `gradient`, a block or a number."""
    values = sgd(decode(load(weight, place, gradient)), gradient, learning_rate)
    store(round_columns(values, low, high, column, stochastic, weight), weight, place)


@njit(**SERIAL)
def _sgd_range(weight, runs, gradients, learning_rate, key, stochastic, guard, first, last, total):
    columns = weight.shape[1]
    whole = in_blocks(columns)
    skipped = 0
    for run in range(first, last):
        ahead = min(run + _ROWS_AHEAD, last - np.uint64(1))
        prefetch_row(weight, row_of_run(runs, ahead))
        if is_one_gradient(runs, gradients, run) and not guard:
            place = np.uint64(runs.starts[run])
            prefetch_gradient(gradients, runs.order, place)
            gradient, zero = gradients.grad, np.float32(0.0)
            start = bag_at(gradients, runs.order[place]) * columns
        else:
            sum_run(runs, gradients, run, total[0])
            gradient, zero, start = total, _NEGATIVE_ZERO, 0
            if guard and not are_finite(total[0], learning_rate):
                skipped += 1
                continue
        index = row_of_run(runs, run)
        low, high = halves_of(derive(key, index))
        row = index * columns
        # A sum begins with 0.0, even that of one gradient, which makes a -0.0 a 0.0; adding -0.0
        # leaves every number as it is.
        for column in range(0, whole, WIDTH):
            step = zero + load(gradient, start + column, WIDTH)
            _sgd_columns(weight, row + column, step, learning_rate, low, high, column, stochastic)
        for column in range(whole, columns):
            step = zero + load(gradient, start + column, 1)
            _sgd_columns(weight, row + column, step, learning_rate, low, high, column, stochastic)
    return skipped


@njit(**SERIAL)
def _sgd_range_of_one_column(
    weight, runs, gradients, learning_rate, key, stochastic, first, last, block
):
    """`_sgd_range` without a guard where rows are single numbers: they fill the lanes instead."""
    for start in range(first, last, np.uint64(WIDTH)):
        count = min(np.uint64(WIDTH), last - start)
        sum_runs_of_one_column(runs, gradients, start, count, block.rows, block.sums)
        for lane in range(count):
            ahead = min(start + lane + _ROWS_AHEAD, last - np.uint64(1))
            prefetch_number(weight, row_of_run(runs, ahead))
            row = block.rows[lane]
            block.low[lane], block.high[lane] = halves_of(derive(key, row))
            store(load(weight, row, 1), block.words, lane)
        weights, sums = decode(load(block.words, 0, WIDTH)), load(block.sums, 0, WIDTH)
        low, high = load(block.low, 0, WIDTH), load(block.high, 0, WIDTH)
        values = sgd(weights, sums, learning_rate)
        store(round_first_column(values, low, high, stochastic, weight), block.words, 0)
        for lane in range(count):
            store(load(block.words, lane, 1), weight, block.rows[lane])


@njit(**PARALLEL)
def _update_sgd(
    weight, runs, gradients, learning_rate, key, stochastic, guard, totals, skipped, threads
):
    for t in prange(threads):
        first = _first_run(runs.starts, t, threads)
        last = _first_run(runs.starts, t + 1, threads)
        if weight.shape[1] == 1 and not guard:  # as a linear model's weights
            block = block_of_rows(weight)
            _sgd_range_of_one_column(
                weight, runs, gradients, learning_rate, key, stochastic, first, last, block
            )
        else:
            skipped[t] = _sgd_range(
                weight, runs, gradients, learning_rate, key, stochastic, guard,
                first, last, totals[t : t + 1],
            )  # fmt: skip


def update_sgd(weight, runs, gradients, learning_rate, key, stochastic, verdict, memory):
    """One SGD step on every row of the batch whose step is finite; returns how many others are.

    Nothing is written if the `verdict` is that nothing may be.
    """
    if verdict.refused:
        return 0
    threads = threads_for(runs.order.size * (weight.shape[1] + NUMBERS_TO_FIND_A_ROW))
    totals = memory.empty("totals", (threads, weight.shape[1]), np.float32)
    skipped = np.zeros(threads, np.int64)
    launch(
        _update_sgd, threads, weight, runs, gradients, learning_rate, key, stochastic,
        verdict.guard, totals, skipped,
    )  # fmt: skip
    return int(skipped.sum())
