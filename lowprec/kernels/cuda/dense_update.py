"""Updating dense float32 parameters, by the rules that update tables."""

import numpy as np

from lowprec.kernels.blocks import load
from lowprec.kernels.columns import (
    CHAINS,
    NOTHING,
    by_column,
    has_row,
    measure_columns,
    num_measures,
    step_columns,
    step_row,
    sum_of_chains,
)
from lowprec.kernels.cuda.launch import kernel, launch
from lowprec.kernels.cuda.squares import add_squares, mean_squares
from lowprec.kernels.preparing import OfRow, clip_norm_of, clipped, has_norm, scale_of_norm
from lowprec.scalar.bits import fma

_NONE = np.uint32(0)  # float32 is not rounded: there are no random bits


@kernel
def _update_dense(thread, threads, rule, preparation, arrays, gradient, diverged):
    if diverged[0]:
        return
    of_row = OfRow(np.float32(1.0), np.float32(0.0))
    for place in range(thread, gradient.size, threads):
        number = load(gradient, place, 1)
        step_columns(rule, preparation, of_row, arrays, place, 0, number, _NONE, _NONE, NOTHING)


@kernel
def _update_dense_rows(thread, threads, rule, preparation, arrays, gradient, chains, diverged):
    if diverged[0]:
        return
    rows, columns = gradient.shape
    stepped = by_column(rule, arrays)
    for row in range(thread, rows, threads):
        first, scale = row * columns, np.float32(1.0)
        if has_norm(preparation):
            for chain in range(CHAINS):
                total = np.float32(0.0)
                for column in range(chain, columns, CHAINS):
                    number = clipped(preparation, load(gradient, first + column, 1))
                    total = fma(number, number, total)
                chains[row, chain] = total
            scale = scale_of_norm(sum_of_chains(chains[row], 0), clip_norm_of(preparation))
        of_row = OfRow(scale, np.float32(0.0))
        for chain in range(chains.shape[1]):
            chains[row, chain] = np.float32(0.0)
        for column in range(columns):
            place = first + column
            number = load(gradient, place, 1)
            found = measure_columns(rule, preparation, of_row, stepped, place, number)
            add_squares(found, chains, row, column % CHAINS)
        squares = mean_squares(rule, chains, row, columns)
        own = step_row(rule, arrays, row, squares, _NONE, _NONE, NOTHING)
        for column in range(columns):
            number = load(gradient, first + column, 1)
            step_columns(
                own, preparation, of_row, stepped, first + column, 0, number, _NONE, _NONE,
                NOTHING,
            )  # fmt: skip


def update_dense(rules, arrays, gradient, diverged):
    """One step on a float32 parameter, ``(parameter, *states)`` of (rows, columns) or (rows, 1).

    `rules` are a rule and its preparation.  Nothing is written if `diverged`.
    """
    rule, preparation = rules
    if has_row(type(rule)) or has_norm(preparation):
        shape = (len(gradient), CHAINS * num_measures(type(rule)))
        chains = np.empty_like(gradient, shape=shape)
        launch(_update_dense_rows, len(gradient), *rules, arrays, gradient, chains, diverged)
    else:
        launch(_update_dense, gradient.size, *rules, arrays, gradient, diverged)
