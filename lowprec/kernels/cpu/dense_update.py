"""Updating dense float32 parameters, by the rules that update tables."""

import numpy as np

from lowprec.kernels.blocks import load
from lowprec.kernels.columns import NOTHING, by_column, has_row, step_columns, step_row
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.squares import CHAINS_OF_ROW, mean_squares, prepare_row
from lowprec.kernels.preparing import OfRow, has_norm
from lowprec.scalar.internal import internal

_NONE = np.uint32(0)  # float32 is not rounded: there are no random bits


_AS_IT_IS = np.float32(1.0), np.float32(0.0)  # `OfRow` where no row matters


@internal(**SERIAL)
def _step_numbers(rule, preparation, of_row, arrays, gradient, first, last):
    whole = last - (last - first) % WIDTH
    for place in range(first, whole, WIDTH):
        block = load(gradient, place, WIDTH)
        step_columns(rule, preparation, of_row, arrays, place, 0, block, _NONE, _NONE, NOTHING)
    for place in range(whole, last):
        number = load(gradient, place, 1)
        step_columns(rule, preparation, of_row, arrays, place, 0, number, _NONE, _NONE, NOTHING)


@parallel
def _update_numbers(rule, preparation, arrays, gradient, t, threads):
    size = gradient.size
    _step_numbers(
        rule, preparation, OfRow(*_AS_IT_IS), arrays, gradient,
        t * size // threads, (t + 1) * size // threads,
    )  # fmt: skip


@internal(**SERIAL)
def _step_rows(rule, preparation, arrays, gradient, chains, first, last):
    columns = gradient.shape[1]
    stepped, none_missed = by_column(rule, arrays), np.float32(0.0)
    for row in range(first, last):
        start = row * columns
        of_row = prepare_row(preparation, gradient, start, columns, none_missed, chains)
        squares = mean_squares(
            rule, preparation, of_row, stepped, start, gradient, start, columns, chains
        )
        own = step_row(rule, arrays, row, squares, _NONE, _NONE, NOTHING)
        _step_numbers(own, preparation, of_row, stepped, gradient, start, start + columns)


@parallel
def _update_rows(rule, preparation, arrays, gradient, chains, t, threads):
    rows = gradient.shape[0]
    first, last = t * rows // threads, (t + 1) * rows // threads
    _step_rows(rule, preparation, arrays, gradient, chains[t], first, last)


def update_dense(rules, arrays, gradients, diverged):
    """One step on float32 parameters: ``(parameter, *states)``, each (rows, columns) or (rows, 1).

    `rules` are a rule and its preparation.  Nothing is written if `diverged`.
    """
    if diverged[0]:
        return
    rule, preparation = rules
    for held, gradient in zip(arrays, gradients, strict=True):
        threads = threads_for(gradient.size)
        if has_row(type(rule)) or has_norm(preparation):
            chains = np.empty((threads, CHAINS_OF_ROW), np.float32)
            launch(_update_rows, threads, rule, preparation, held, gradient, chains)
        else:
            launch(_update_numbers, threads, rule, preparation, held, gradient)
