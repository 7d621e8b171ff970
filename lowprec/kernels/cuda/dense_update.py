"""Updating dense float32 parameters, by the rules that update tables."""

import numpy as np

from lowprec.kernels.as_rows import as_rows
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
from lowprec.kernels.cuda.launch import INLINE, after, in_groups, kernel, launch
from lowprec.kernels.cuda.squares import add_squares, mean_squares
from lowprec.kernels.in_memory import like_of, taken
from lowprec.kernels.preparing import OfRow, clip_norm_of, clipped, has_norm, scale_of_norm
from lowprec.scalar.bits import fma
from lowprec.scalar.internal import overloaded

_NONE = np.uint32(0)  # float32 is not rounded: there are no random bits


def _each_of(arrays, number):
    """Item `number` of each tuple of a tuple."""


@overloaded(_each_of, **INLINE)
def _overload_each_of(arrays, number):
    if len(arrays) == 0:
        return lambda arrays, number: ()
    return lambda arrays, number: (
        (arrays[0][number],) + _each_of(arrays[1:], number)  # noqa: RUF005
    )


@kernel
def _update_dense(thread, threads, rules, arrays, gradients, diverged):
    if diverged[0]:
        return
    rule, preparation = taken(rules)
    of_row = OfRow(np.float32(1.0), np.float32(0.0))
    for each in range(len(gradients)):
        held, gradient = _each_of(arrays, each), gradients[each]
        place = thread
        while place < gradient.size:
            number = load(gradient, place, 1)
            step_columns(rule, preparation, of_row, held, place, 0, number, _NONE, _NONE, NOTHING)
            place = after(place, threads)


@kernel
def _update_dense_rows(thread, threads, rules, arrays, gradient, chains, diverged):
    if diverged[0]:
        return
    rule, preparation = taken(rules)
    rows, columns = gradient.shape
    stepped = by_column(rule, arrays)
    next_row = thread
    while next_row < rows:
        row = next_row
        next_row = after(next_row, threads)
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


def update_dense(rules, parameters, states, gradients, diverged, scratch):
    """One step on float32 parameters, each with its `states`: vectors, or matrices of rows.

    `rules` are a rule and its preparation, or these `InMemory`.  Nothing is written if `diverged`.
    """
    rule, preparation = like_of(rules)
    with_numbers = [
        (as_rows(parameter), *own, as_rows(gradient))
        for parameter, own, gradient in zip(parameters, states, gradients, strict=True)
        if parameter.size
    ]
    if has_row(type(rule)) or has_norm(preparation):
        for *held, gradient in with_numbers:
            shape = (len(gradient), CHAINS * num_measures(type(rule)))
            chains = np.empty_like(gradient, shape=shape)
            arrays = tuple(held)
            launch(_update_dense_rows, len(gradient), rules, arrays, gradient, chains, diverged)
        return
    # a number is stepped as it is, wherever it stands: many parameters in one launch
    flat = [tuple(array.reshape(-1) for array in arrays) for arrays in with_numbers]
    for some in in_groups(flat, len(flat[0]) if flat else 1):
        *held, gradient = zip(*some, strict=True)
        most = max(array.size for array in gradient)
        launch(_update_dense, most, rules, tuple(held), gradient, diverged)
