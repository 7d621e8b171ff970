"""Tables of one column: rows are single numbers, so WIDTH rows fill the lanes instead."""

from typing import NamedTuple

import numpy as np

from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.columns import (
    by_column,
    copy_numbers,
    measure_columns,
    step_columns,
    step_row,
)
from lowprec.kernels.cpu.memory import WIDTH, prefetch_numbers
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.segments import row_of_segment
from lowprec.kernels.cpu.squares import squares_of
from lowprec.kernels.cpu.sums import bag_at
from lowprec.kernels.gradients import LABEL, ROW_SHIFT
from lowprec.kernels.keys import first_table, row_key
from lowprec.kernels.preparing import (
    OfRow,
    clipped,
    missed_of_row,
    note_seen,
    prepares,
    scale_of_norm,
    without_last,
)
from lowprec.scalar.bits import fma
from lowprec.scalar.internal import internal, overloaded

_ROWS_AHEAD = np.uint64(24)
_ONE = np.uint64(1)


class RowsInLanes(NamedTuple):
    """WIDTH rows: scratch, with zeros or older numbers in lanes without a row."""

    rows: np.ndarray  # int64
    sums: np.ndarray  # float32: their gradients
    low: np.ndarray  # uint32: the halves of their keys
    high: np.ndarray
    missed: np.ndarray  # float32: as `OfRow` has it


@internal(forceinline=True, nogil=True)
def rows_in_lanes():
    """New scratch."""
    return RowsInLanes(
        np.zeros(WIDTH, np.int64), np.zeros(WIDTH, np.float32),
        np.zeros(WIDTH, np.uint32), np.zeros(WIDTH, np.uint32), np.zeros(WIDTH, np.float32),
    )  # fmt: skip


def numbers_in_lanes(arrays):
    """A new array of WIDTH numbers for each of a tuple of arrays."""


@overloaded(numbers_in_lanes, forceinline=True, nogil=True)
def _overload_numbers_in_lanes(arrays):
    if len(arrays) == 0:
        return lambda arrays: ()
    return lambda arrays: (
        (np.zeros(WIDTH, arrays[0].dtype),) + numbers_in_lanes(arrays[1:])  # noqa: RUF005
    )


@internal(**SERIAL)
def _sum_segments_of_one_column(segments, gradients, first, count, rows, sums):
    """The rows and gradients of up to WIDTH segments of one column, as `sum_segment` has them."""
    store(zeros(sums, WIDTH), sums, 0)
    start = np.uint64(segments.starts[first])
    slot, previous = np.uint64(0), segments.order[start]
    for i in range(start, np.uint64(segments.starts[first + count])):
        entry = segments.order[i]
        # without a branch, since where a segment ends is hard to predict
        slot += np.uint64(((entry ^ previous) >> ROW_SHIFT) != np.uint64(0))
        previous = entry
        rows[slot] = np.int64(entry >> ROW_SHIFT)
        term = load(gradients.grad, bag_at(gradients, entry), 1)
        if gradients.factors.size:
            sums[slot] = fma(gradients.factors[np.uint32(entry & LABEL)], term, sums[slot])
        else:
            sums[slot] += term
    if segments.first_pieces[first] == segments.first_pieces[first + count]:
        return
    for place in range(count):
        segment = first + place
        if segments.first_pieces[segment] < segments.first_pieces[segment + _ONE]:
            total = np.float32(0.0)
            for piece in range(
                segments.first_pieces[segment], segments.first_pieces[segment + _ONE]
            ):
                total += segments.pieces[piece, 0]
            sums[place] = total


def prepare_rows(preparation, gradient, missed):
    """`OfRow` for rows in lanes, whose gradients are numbers."""


@overloaded(prepare_rows, forceinline=True, **SERIAL)
def _overload_prepare_rows(preparation, gradient, missed):
    if not prepares(preparation.instance_class):
        return lambda preparation, gradient, missed: OfRow(np.float32(1.0), np.float32(0.0))

    def prepare(preparation, gradient, missed):
        number = clipped(preparation, gradient)
        return OfRow(scale_of_norm(number * number, preparation.clip_norm), missed)

    return prepare


@internal(**SERIAL)
def step_range_of_one_column(
    rule, preparation, arrays, segments, gradients, keys, step, stochastic,
    numbers, lanes, first, last,
):  # fmt: skip
    """Step the segments from `first` to `last`; `numbers` and `lanes` are scratch."""
    rows, of_first = lanes.rows, first_table(keys, step)
    of_rule = without_last(preparation, numbers)
    stepped = by_column(rule, of_rule)
    for start in range(first, last, np.uint64(WIDTH)):
        count = min(np.uint64(WIDTH), last - start)
        _sum_segments_of_one_column(segments, gradients, start, count, rows, lanes.sums)
        for lane in range(count):
            ahead = min(start + lane + _ROWS_AHEAD, last - _ONE)
            prefetch_numbers(arrays, row_of_segment(segments, ahead))
            lanes.low[lane], lanes.high[lane] = row_key(keys, step, of_first, rows[lane])
            lanes.missed[lane] = missed_of_row(preparation, arrays, rows[lane], step)
            note_seen(preparation, arrays, rows[lane], step)
            copy_numbers(arrays, rows[lane], numbers, lane)
        gradient, missed = load(lanes.sums, 0, WIDTH), load(lanes.missed, 0, WIDTH)
        low, high = load(lanes.low, 0, WIDTH), load(lanes.high, 0, WIDTH)
        of_row = prepare_rows(preparation, gradient, missed)
        measured = measure_columns(rule, preparation, of_row, stepped, 0, gradient)
        own = step_row(rule, of_rule, 0, squares_of(measured), low, high, stochastic)
        step_columns(own, preparation, of_row, stepped, 0, 0, gradient, low, high, stochastic)
        for lane in range(count):
            copy_numbers(numbers, lane, arrays, rows[lane])
