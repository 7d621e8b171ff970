"""Updating dense float32 parameters, by the rules that update tables."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.blocks import load
from lowprec.kernels.cache import cached
from lowprec.kernels.columns import CHAINS, by_column, has_row, step_columns, step_row
from lowprec.kernels.cuda.launch import THREAD, kernel, launch
from lowprec.kernels.cuda.squares import mean_square
from lowprec.scalar.bits import fma

_NONE = np.uint32(0)  # float32 is not rounded: there are no random bits


class _Dense(NamedTuple):
    table: tuple  # (parameter, *states)
    gradient: np.ndarray
    chains: np.ndarray
    halted: np.ndarray


class _DenseNumbers(NamedTuple):
    rule: tuple


@cached
@njit(**THREAD)
def _update_dense(thread, threads, arrays, numbers):
    if arrays.halted[0]:
        return
    for place in range(thread, arrays.gradient.size, threads):
        gradient = load(arrays.gradient, place, 1)
        step_columns(numbers.rule, arrays.table, place, 0, gradient, _NONE, _NONE, False)


_run_update_dense = kernel(_update_dense)


@cached
@njit(**THREAD)
def _update_dense_rows(thread, threads, arrays, numbers):
    if arrays.halted[0]:
        return
    rows, columns = arrays.gradient.shape
    stepped = by_column(numbers.rule, arrays.table)
    for row in range(thread, rows, threads):
        chains = arrays.chains[row]
        for chain in range(CHAINS):
            total = np.float32(0.0)
            for column in range(chain, columns, CHAINS):
                gradient = load(arrays.gradient, row * columns + column, 1)
                total = fma(gradient, gradient, total)
            chains[chain] = total
        square = mean_square(numbers.rule, arrays.chains, row, columns)
        own = step_row(numbers.rule, arrays.table, row, square)
        for column in range(columns):
            place = row * columns + column
            gradient = load(arrays.gradient, place, 1)
            step_columns(own, stepped, place, 0, gradient, _NONE, _NONE, False)


_run_update_dense_rows = kernel(_update_dense_rows)


def update_dense(rule, arrays, gradient, halted):
    """One step on a float32 parameter, ``(parameter, *states)`` of (rows, columns) or (rows, 1).

    Nothing is written if `halted`.
    """
    numbers = _DenseNumbers(rule)
    if has_row(type(rule)):
        chains = np.empty_like(gradient, shape=(len(gradient), CHAINS))
        launch(
            _run_update_dense_rows, len(gradient), _Dense(arrays, gradient, chains, halted), numbers
        )
    else:
        launch(
            _run_update_dense, gradient.size, _Dense(arrays, gradient, gradient, halted), numbers
        )
