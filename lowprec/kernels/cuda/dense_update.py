"""Updating dense float32 parameters, by the rules that update tables."""

import numpy as np

from lowprec.kernels.blocks import load
from lowprec.kernels.columns import CHAINS, NOTHING, by_column, has_row, step_columns, step_row
from lowprec.kernels.cuda.launch import kernel, launch
from lowprec.kernels.cuda.squares import mean_square
from lowprec.scalar.bits import fma

_NONE = np.uint32(0)  # float32 is not rounded: there are no random bits


@kernel
def _update_dense(thread, threads, rule, arrays, gradient, diverged):
    if diverged[0]:
        return
    for place in range(thread, gradient.size, threads):
        number = load(gradient, place, 1)
        step_columns(rule, arrays, place, 0, number, _NONE, _NONE, NOTHING)


@kernel
def _update_dense_rows(thread, threads, rule, arrays, gradient, chains, diverged):
    if diverged[0]:
        return
    rows, columns = gradient.shape
    stepped = by_column(rule, arrays)
    for row in range(thread, rows, threads):
        for chain in range(CHAINS):
            total = np.float32(0.0)
            for column in range(chain, columns, CHAINS):
                number = load(gradient, row * columns + column, 1)
                total = fma(number, number, total)
            chains[row, chain] = total
        square = mean_square(rule, chains, row, columns)
        own = step_row(rule, arrays, row, square, _NONE, _NONE, NOTHING)
        for column in range(columns):
            place = row * columns + column
            number = load(gradient, place, 1)
            step_columns(own, stepped, place, 0, number, _NONE, _NONE, NOTHING)


def update_dense(rule, arrays, gradient, diverged):
    """One step on a float32 parameter, ``(parameter, *states)`` of (rows, columns) or (rows, 1).

    Nothing is written if `diverged`.
    """
    if has_row(type(rule)):
        chains = np.empty_like(gradient, shape=(len(gradient), CHAINS))
        launch(_update_dense_rows, len(gradient), rule, arrays, gradient, chains, diverged)
    else:
        launch(_update_dense, gradient.size, rule, arrays, gradient, diverged)
