"""Updating a table: each row of the batch is summed, stepped, rounded and stored by one owner."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.blocks import zeros
from lowprec.kernels.cache import cached
from lowprec.kernels.columns import by_column, has_row, step_columns, step_row
from lowprec.kernels.cuda.gradients import (
    Sum,
    SumNumbers,
    Verdict,
    sum_numbers,
    sum_of,
    sum_run,
)
from lowprec.kernels.cuda.launch import INLINE, THREAD, kernel, launch
from lowprec.kernels.cuda.runs import begins_run, row_at
from lowprec.kernels.cuda.squares import chain_squares, mean_square
from lowprec.kernels.cuda.wide import CHUNK
from lowprec.kernels.keys import RowKeys, first_table, row_key


class _Update(NamedTuple):
    table: tuple  # (weight, *states)
    sums: Sum
    chains: np.ndarray
    keys: RowKeys
    verdict: Verdict


class _UpdateNumbers(NamedTuple):
    rule: tuple
    how: SumNumbers
    step: np.uint64
    stochastic: np.bool_


@njit(**INLINE)
def _step(rule, arrays, numbers, first, row, low, high, column, zero):
    """Step the columns of a row from `column` on, as many as `zero` has."""
    stepped = by_column(numbers.rule, arrays.table)
    place = row * stepped[0].shape[1] + column
    gradient = sum_run(arrays.sums, numbers.how, first, column, zero)
    step_columns(rule, stepped, place, column, gradient, low, high, numbers.stochastic)


@cached
@njit(**THREAD)
def _update_rows(thread, threads, arrays, numbers):
    verdict, order, how = arrays.verdict, arrays.sums.order, numbers.how
    if verdict.halted[0]:
        return
    columns, lane = arrays.table[0].shape[1], thread % how.lanes
    for place in range(thread // how.lanes, order.size, threads // how.lanes):
        if not begins_run(order, place) or (verdict.guard[0] and verdict.bad[place]):
            continue
        row = row_at(order, place)
        # mixed for each row: kept over the loop, it would take registers
        of_first = first_table(arrays.keys, numbers.step)
        low, high = row_key(arrays.keys, numbers.step, of_first, row)
        square = mean_square(numbers.rule, arrays.chains, place, columns)
        own = step_row(numbers.rule, arrays.table, row, square)
        for column in range(lane * CHUNK, how.wide, how.lanes * CHUNK):
            zero = zeros(arrays.sums.grad, CHUNK)
            _step(own, arrays, numbers, place, row, low, high, column, zero)
        for column in range(how.wide + lane, columns, how.lanes):
            nought = zeros(arrays.sums.grad, 1)
            _step(own, arrays, numbers, place, row, low, high, column, nought)


_run_update_rows = kernel(_update_rows)


def update_rows(rule, arrays, runs, gradients, keys, step, stochastic, limit, verdict, memory):
    """One step on every row of the batch whose gradient is within `limit`; returns how many others.

    `arrays` are ``(weight, *states)``, `keys` are `RowKeys` and `step` is uint64.  Nothing is
    written if the `verdict` is that nothing may be.
    """
    by_rows = has_row(type(rule))
    columns = arrays[0].shape[1]
    # where a row has states, one thread reads and writes them, and so steps all of the row
    how = sum_numbers(runs, gradients, *(a for a in arrays if a.shape[1] == columns))
    how = how._replace(lanes=np.int64(1)) if by_rows else how
    sums = sum_of(runs, gradients)
    chains = chain_squares(runs, sums, how, memory) if by_rows else sums.grad
    launch(
        _run_update_rows, runs.order.size * int(how.lanes),
        _Update(arrays, sums, chains, keys, verdict),
        _UpdateNumbers(rule, how, np.uint64(step), np.bool_(stochastic)),
    )  # fmt: skip
    return verdict.bad.sum()
