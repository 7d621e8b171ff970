"""Stepping several rows in one block: those of 1, 2, 4 or 8 columns fill its lanes together.

A tuple of as many zeros tells the compiler how many columns there are.
"""

import numpy as np

from lowprec.kernels.blocks import load, load_rows, store, store_rows
from lowprec.kernels.columns import by_column, by_row, measure_columns, step_columns, step_row
from lowprec.kernels.cpu.memory import WIDTH
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.preparing import OfRow, clipped, prepares, scale_of_norm, without_last
from lowprec.scalar.internal import internal, overloaded
from lowprec.scalar.lanes import lane_numbers, sum_of_neighbours

_INLINE = {"forceinline": True, **SERIAL}
_ONE_NUMBER = (0,)


def _load_each(arrays, rows, start, numbers, columns, lanes):
    """Load the rows of a block from each array into its lanes."""


def _store_each(lanes, arrays, rows, start, numbers, columns):
    """Store them again."""


def _store(lanes, array, rows, start, numbers, columns):
    """Store those of one array; of a row's only number, the one in its first lane."""


@overloaded(_load_each, **_INLINE)
def _overload_load_each(arrays, rows, start, numbers, columns, lanes):
    if len(arrays) == 0:
        return lambda arrays, rows, start, numbers, columns, lanes: None
    own, of_row = len(numbers), len(columns)

    def load_each(arrays, rows, start, numbers, columns, lanes):
        store(load_rows(arrays[0], rows, start, own, of_row, WIDTH), lanes[0], 0)
        _load_each(arrays[1:], rows, start, numbers, columns, lanes[1:])

    return load_each


@overloaded(_store_each, **_INLINE)
def _overload_store_each(lanes, arrays, rows, start, numbers, columns):
    if len(arrays) == 0:
        return lambda lanes, arrays, rows, start, numbers, columns: None

    def store_each(lanes, arrays, rows, start, numbers, columns):
        _store(lanes[0], arrays[0], rows, start, numbers, columns)
        _store_each(lanes[1:], arrays[1:], rows, start, numbers, columns)

    return store_each


@overloaded(_store, **_INLINE)
def _overload_store(lanes, array, rows, start, numbers, columns):
    of_row = len(columns)

    def store_block(lanes, array, rows, start, numbers, columns):
        store_rows(load(lanes, 0, WIDTH), array, rows, start, of_row)

    def store_numbers(lanes, array, rows, start, numbers, columns):
        for row in range(np.uint64(WIDTH // of_row)):  # in less time than from a register
            place = np.int64(rows[np.uint64(start) + row])
            store(load(lanes, row * np.uint64(of_row), 1), array, place)

    return store_numbers if len(numbers) == 1 else store_block


def _mean_squares(numbers, columns):
    """The mean over its row of the square of each number, for a tuple of lanes."""


@overloaded(_mean_squares, **_INLINE)
def _overload_mean_squares(numbers, columns):
    if len(numbers) == 0:
        return lambda numbers, columns: ()
    count = len(columns)

    def mean_squares(numbers, columns):
        square = sum_of_neighbours(numbers[0] * numbers[0], count) / np.float32(count)
        return (square,) + _mean_squares(numbers[1:], columns)  # noqa: RUF005

    return mean_squares


def _prepare_rows(preparation, gradient, missed, columns):
    """`OfRow` for rows in lanes."""


@overloaded(_prepare_rows, **_INLINE)
def _overload_prepare_rows(preparation, gradient, missed, columns):
    if not prepares(preparation.instance_class):
        return lambda preparation, gradient, missed, columns: OfRow(
            np.float32(1.0), np.float32(0.0)
        )
    count = len(columns)

    def prepare(preparation, gradient, missed, columns):
        number = clipped(preparation, gradient)
        square = sum_of_neighbours(number * number, count)
        return OfRow(scale_of_norm(square, preparation.clip_norm), missed)

    return prepare


def _column_of_lane(columns):
    """The column of each lane, as a block."""


@overloaded(_column_of_lane, **_INLINE)
def _overload_column_of_lane(columns):
    last = len(columns) - 1
    return lambda columns: lane_numbers(WIDTH) & np.uint32(last)


@internal(**_INLINE)
def step_in_lanes(
    rule, preparation, arrays, rows, gradients, start, low, high, missed, stochastic, lanes, columns
):  # fmt: skip
    """Step the rows of a block: those that `rows` (uint32) has from `start` on.

    `gradients` are those of the rows, one after the other.  In the lanes of a row, `low` and `high`
    are the halves of its key, and `missed` is as `OfRow` has it.  `lanes` is scratch.
    """
    kept, of_rule = without_last(preparation, arrays), without_last(preparation, lanes)
    stepped, of_rows = by_column(rule, of_rule), by_row(rule, of_rule)
    _load_each(by_column(rule, kept), rows, start, columns, columns, stepped)
    _load_each(by_row(rule, kept), rows, start, _ONE_NUMBER, columns, of_rows)
    gradient = load(gradients, start * len(columns), WIDTH)
    of_row = _prepare_rows(preparation, gradient, missed, columns)
    measured = measure_columns(rule, preparation, of_row, stepped, 0, gradient)
    squares = _mean_squares(measured, columns)
    own = step_row(rule, of_rule, 0, squares, low, high, stochastic)
    column = _column_of_lane(columns)
    step_columns(own, preparation, of_row, stepped, 0, column, gradient, low, high, stochastic)
    _store_each(stepped, by_column(rule, kept), rows, start, columns, columns)
    _store_each(of_rows, by_row(rule, kept), rows, start, _ONE_NUMBER, columns)
