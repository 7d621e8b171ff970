"""Updating dense float32 parameters, by the rules that update tables."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.blocks import load
from lowprec.kernels.cache import cached
from lowprec.kernels.columns import NOTHING, by_column, has_row, step_columns, step_row
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH
from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.squares import mean_square

_NONE = np.uint32(0)  # float32 is not rounded: there are no random bits


@njit(**SERIAL)
def _step_numbers(rule, arrays, gradient, first, last):
    whole = last - (last - first) % WIDTH
    for place in range(first, whole, WIDTH):
        block = load(gradient, place, WIDTH)
        step_columns(rule, arrays, place, 0, block, _NONE, _NONE, NOTHING)
    for place in range(whole, last):
        number = load(gradient, place, 1)
        step_columns(rule, arrays, place, 0, number, _NONE, _NONE, NOTHING)


@cached
@njit(**PARALLEL)
def _update_numbers(rule, arrays, gradient, threads):
    size = gradient.size
    for t in prange(threads):
        _step_numbers(rule, arrays, gradient, t * size // threads, (t + 1) * size // threads)


@njit(**SERIAL)
def _step_rows(rule, arrays, gradient, chains, first, last):
    columns = gradient.shape[1]
    stepped = by_column(rule, arrays)
    for row in range(first, last):
        start = row * columns
        square = mean_square(rule, gradient, start, columns, chains)
        own = step_row(rule, arrays, row, square, _NONE, _NONE, NOTHING)
        _step_numbers(own, stepped, gradient, start, start + columns)


@cached
@njit(**PARALLEL)
def _update_rows(rule, arrays, gradient, chains, threads):
    rows = gradient.shape[0]
    for t in prange(threads):
        first, last = t * rows // threads, (t + 1) * rows // threads
        _step_rows(rule, arrays, gradient, chains[t], first, last)


def update_dense(rule, arrays, gradient, diverged):
    """One step on a float32 parameter, ``(parameter, *states)`` of (rows, columns) or (rows, 1).

    Nothing is written if `diverged`.
    """
    if diverged[0]:
        return
    threads = threads_for(gradient.size)
    if has_row(type(rule)):
        chains = np.empty((threads, WIDTH), np.float32)
        launch(_update_rows, threads, rule, arrays, gradient, chains)
    else:
        launch(_update_numbers, threads, rule, arrays, gradient)
