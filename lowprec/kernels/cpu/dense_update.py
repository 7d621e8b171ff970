"""Updating dense float32 parameters, by the rules that update tables."""

import itertools

import numpy as np

from lowprec.kernels.as_rows import shape_as_rows
from lowprec.kernels.blocks import load
from lowprec.kernels.columns import NOTHING, by_column, has_row, step_columns, step_row
from lowprec.kernels.cpu.addresses import address_as, rows_at
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH
from lowprec.kernels.cpu.options import PART, SERIAL
from lowprec.kernels.cpu.squares import CHAINS_OF_ROW, mean_squares, prepare_row
from lowprec.kernels.preparing import OfRow, has_norm
from lowprec.scalar.internal import internal, overloaded

_NONE = np.uint32(0)  # float32 is not rounded: there are no random bits
_AS_IT_IS = np.float32(1.0), np.float32(0.0)  # `OfRow` where no row matters
# A parameter in the table of all: its rows and columns, the address of its gradient, and from
# _HELD on the address and the columns of each of its arrays.
_ROWS, _COLUMNS, _GRADIENT, _HELD = range(4)


def _arrays_at(held, rows, place, count):
    """The matrices of a parameter, as many as the tuple `count` has."""


@overloaded(_arrays_at, forceinline=True, **PART)
def _overload_arrays_at(held, rows, place, count):
    if len(count) == 0:
        return lambda held, rows, place, count: ()

    def arrays_at(held, rows, place, count):
        array = rows_at(held[place], 0, rows, held[place + 1], np.float32)
        return (array,) + _arrays_at(held, rows, place + 2, count[1:])  # noqa: RUF005

    return arrays_at


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
def _update_numbers(rule, preparation, parameters, count, t, threads):
    for each in range(len(parameters)):
        held = parameters[each]
        rows, columns = held[_ROWS], held[_COLUMNS]
        size = rows * columns
        gradient = rows_at(held[_GRADIENT], 0, rows, columns, np.float32)
        _step_numbers(
            rule, preparation, OfRow(*_AS_IT_IS), _arrays_at(held, rows, _HELD, count), gradient,
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
def _update_rows(rule, preparation, parameters, count, chains, t, threads):
    for each in range(len(parameters)):
        held = parameters[each]
        rows, columns = held[_ROWS], held[_COLUMNS]
        first, last = t * rows // threads, (t + 1) * rows // threads
        gradient = rows_at(held[_GRADIENT], 0, rows, columns, np.float32)
        arrays = _arrays_at(held, rows, _HELD, count)
        _step_rows(rule, preparation, arrays, gradient, chains[t], first, last)


def update_dense(rules, parameters, states, gradients, diverged, scratch):
    """One step on float32 parameters, each with its `states`: vectors, or matrices of rows.

    `rules` are a rule and its preparation.  Nothing is written if `diverged`.
    """
    if diverged[0] or not parameters:
        return
    rule, preparation = rules
    objects = [*parameters, *gradients, *itertools.chain(*states)]
    table, numbers, count = scratch.made_of(
        "dense parameters", objects, None, lambda: _table(parameters, states, gradients)
    )
    threads = threads_for(numbers)
    if has_row(type(rule)) or has_norm(preparation):
        chains = np.empty((threads, CHAINS_OF_ROW), np.float32)
        launch(_update_rows, threads, rule, preparation, table, count, chains)
    else:
        launch(_update_numbers, threads, rule, preparation, table, count)


def _table(parameters, states, gradients):
    """The table of all parameters, how many numbers these have, and how many arrays each.

    The latter is the length of a tuple, as Numba has it from the type.
    """
    lines = []
    for parameter, own, gradient in zip(parameters, states, gradients, strict=True):
        if not parameter.size:  # a row without numbers has no step
            continue
        rows, columns = shape_as_rows(parameter.shape)
        line = [rows, columns, address_as(np.float32, gradient)]
        for array in (parameter, *own):
            line += [address_as(np.float32, array), array.size // rows]
        lines.append(line)
    count = (0,) * (1 + len(states[0]))
    table = np.array(lines, np.int64).reshape(len(lines), _HELD + 2 * len(count))
    return table, sum(parameter.size for parameter in parameters), count
