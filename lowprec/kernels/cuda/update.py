"""Updating a table: each row of the batch is summed, stepped, rounded and stored by one owner."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.blocks import load, store, zeros
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
from lowprec.kernels.cuda.wide import CHUNK
from lowprec.kernels.rows import round_columns
from lowprec.scalar.formats import decode
from lowprec.scalar.updates import sgd
from lowprec.scalar.xorshift import derive, halves_of


class _Update(NamedTuple):
    weight: np.ndarray
    sums: Sum
    verdict: Verdict


class _UpdateNumbers(NamedTuple):
    how: SumNumbers
    learning_rate: np.float32
    key: np.uint64
    stochastic: np.bool_


@njit(**INLINE)
def _sgd_columns(arrays, numbers, first, row, low, high, column, zero):
    """Step the columns of a row from `column` on, as many as `zero` has."""
    weight = arrays.weight
    place = row * weight.shape[1] + column
    gradient = sum_run(arrays.sums, numbers.how, first, column, zero)
    values = sgd(decode(load(weight, place, zero)), gradient, numbers.learning_rate)
    words = round_columns(values, low, high, column, numbers.stochastic, weight)
    store(words, weight, place)


@njit(**THREAD)
def _update_sgd(thread, threads, arrays, numbers):
    verdict, order, how = arrays.verdict, arrays.sums.order, numbers.how
    if verdict.halted[0]:
        return
    columns, lane = arrays.weight.shape[1], thread % how.lanes
    for place in range(thread // how.lanes, order.size, threads // how.lanes):
        if not begins_run(order, place) or (verdict.guard[0] and verdict.bad[place]):
            continue
        row = row_at(order, place)
        low, high = halves_of(derive(numbers.key, row))
        for column in range(lane * CHUNK, how.wide, how.lanes * CHUNK):
            zero = zeros(arrays.sums.grad, CHUNK)
            _sgd_columns(arrays, numbers, place, row, low, high, column, zero)
        for column in range(how.wide + lane, columns, how.lanes):
            nought = zeros(arrays.sums.grad, 1)
            _sgd_columns(arrays, numbers, place, row, low, high, column, nought)


_run_update_sgd = kernel(_update_sgd)


def update_sgd(weight, runs, gradients, learning_rate, key, stochastic, verdict, memory):
    """One SGD step on every row of the batch whose step is finite; returns how many others are.

    Nothing is written if the `verdict` is that nothing may be.
    """
    how = sum_numbers(runs, gradients, weight)
    numbers = _UpdateNumbers(how, np.float32(learning_rate), np.uint64(key), np.bool_(stochastic))
    arrays = _Update(weight, sum_of(runs, gradients), verdict)
    launch(_run_update_sgd, runs.order.size * int(how.lanes), arrays, numbers)
    return verdict.bad.sum()
