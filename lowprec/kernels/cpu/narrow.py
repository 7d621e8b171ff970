"""Updating rows of 2, 4 or 8 columns: a block has room for several of them."""

from typing import NamedTuple

import numpy as np

from lowprec.kernels.blocks import load, load_repeated, store
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.finite import are_within
from lowprec.kernels.cpu.in_lanes import step_in_lanes
from lowprec.kernels.cpu.launch import launch
from lowprec.kernels.cpu.memory import WIDTH, prefetch_rows
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.segments import first_segment, row_of_segment
from lowprec.kernels.cpu.sums import (
    bag_of_one,
    is_one_gradient,
    one_gradient,
    sum_segment,
)
from lowprec.kernels.cpu.tails import new_lanes
from lowprec.kernels.keys import first_table, row_key
from lowprec.kernels.preparing import missed_of_row, note_seen
from lowprec.scalar.internal import internal, overloaded

NARROW = 2, 4, 8  # columns
_ROWS_AT_ONCE = np.uint64(64)  # whose gradients are summed before the first of them is stepped
_INLINE = {"forceinline": True, **SERIAL}


class _Rows(NamedTuple):
    """Scratch for _ROWS_AT_ONCE rows of a batch."""

    numbers: np.ndarray  # uint32: which they are
    gradients: np.ndarray  # (rows, columns) float32
    low: np.ndarray  # uint32: the halves of their keys
    high: np.ndarray
    missed: np.ndarray  # float32: as `OfRow` has it


def _repeated(rows, start, columns):
    """The keys of the rows of a block, and what they missed, in all lanes of each."""


@overloaded(_repeated, **_INLINE)
def _overload_repeated(rows, start, columns):
    count = len(columns)

    def repeated(rows, start, columns):
        return (
            load_repeated(rows.low, start, count, WIDTH),
            load_repeated(rows.high, start, count, WIDTH),
            load_repeated(rows.missed, start, count, WIDTH),
        )

    return repeated


def _take_gradient(gradients, bag, rows, place, columns):
    """The gradient of a bag becomes that of a row: a sum, which begins with 0.0."""


@overloaded(_take_gradient, **_INLINE)
def _overload_take_gradient(gradients, bag, rows, place, columns):
    count = len(columns)

    def take(gradients, bag, rows, place, columns):
        gradient, start = one_gradient(gradients, bag, rows.gradients[place])
        numbers = np.float32(0.0) + load(gradient, start, count)
        store(numbers, rows.gradients, place * count)

    return take


@internal(**SERIAL)
def _sum_rows(
    preparation, arrays, segments, gradients, keys, of_first, step, limit, guard, first, last, end,
    rows, columns,
):  # fmt: skip
    """The rows of some segments, before `end`, with their sums; returns how many are within."""
    count = np.uint64(0)
    for segment in range(first, last):
        ahead = min(segment + _ROWS_AT_ONCE, end - np.uint64(1))
        prefetch_rows(arrays, row_of_segment(segments, ahead))
        if is_one_gradient(segments, gradients, segment) and not guard:
            bag = bag_of_one(segments, gradients, segment)
            _take_gradient(gradients, bag, rows, count, columns)
        else:
            sum_segment(segments, gradients, segment, rows.gradients[count])
            if guard and not are_within(rows.gradients[count], limit):
                continue
        index = row_of_segment(segments, segment)
        rows.numbers[count] = index
        rows.low[count], rows.high[count] = row_key(keys, step, of_first, index)
        rows.missed[count] = missed_of_row(preparation, arrays, index, step)
        note_seen(preparation, arrays, index, step)
        count += np.uint64(1)
    return count


@internal(**SERIAL)
def _fill_block(rows, count):
    """Repeat the last row in the rest of its block: it is stepped twice, to the same numbers."""
    per_block = np.uint64(WIDTH // rows.gradients.shape[1])
    last = count - np.uint64(1)
    filled = last - last % per_block + per_block
    for place in range(count, filled):
        rows.numbers[place] = rows.numbers[last]
        rows.low[place], rows.high[place] = rows.low[last], rows.high[last]
        rows.missed[place] = rows.missed[last]
        for column in range(rows.gradients.shape[1]):
            rows.gradients[place, column] = rows.gradients[last, column]
    return filled


@internal(**SERIAL)
def _step_range(
    rule, preparation, arrays, segments, gradients, keys, step, stochastic, limit, guard, first,
    last, rows, columns,
):  # fmt: skip
    lanes, of_first, stepped = new_lanes(arrays), first_table(keys, step), np.uint64(0)
    for segment in range(first, min(first + _ROWS_AT_ONCE, last)):
        prefetch_rows(arrays, row_of_segment(segments, segment))
    for begin in range(first, last, _ROWS_AT_ONCE):
        count = _sum_rows(
            preparation, arrays, segments, gradients, keys, of_first, step, limit, guard, begin,
            min(begin + _ROWS_AT_ONCE, last), last, rows, columns,
        )  # fmt: skip
        stepped += count
        if count > np.uint64(0):
            filled = _fill_block(rows, count)
            for start in range(np.uint64(0), filled, np.uint64(WIDTH // len(columns))):
                low, high, missed = _repeated(rows, start, columns)
                step_in_lanes(
                    rule, preparation, arrays, rows.numbers, rows.gradients, start, low, high,
                    missed, stochastic, lanes, columns,
                )  # fmt: skip
    return np.int64(last - first - stepped)


@parallel
def _update_narrow_rows(
    rule, preparation, arrays, segments, gradients, keys, step, stochastic, limit, guard, columns,
    skipped, t, threads,
):  # fmt: skip
    count = _ROWS_AT_ONCE
    rows = _Rows(
        np.empty(count, np.uint32), np.empty((count, len(columns)), np.float32),
        np.empty(count, np.uint32), np.empty(count, np.uint32), np.empty(count, np.float32),
    )  # fmt: skip
    first = first_segment(segments.starts, t, threads)
    last = first_segment(segments.starts, t + 1, threads)
    skipped[t] = _step_range(
        rule, preparation, arrays, segments, gradients, keys, step, stochastic, limit, guard,
        first, last, rows, columns,
    )  # fmt: skip


def update_narrow_rows(
    rules, arrays, segments, gradients, keys, step, stochastic, limit, guard, threads
):
    """One step on every row of a batch: see `update_rows`."""
    skipped = np.zeros(threads, np.int64)
    launch(
        _update_narrow_rows, threads, *rules, arrays, segments, gradients, keys, step, stochastic,
        limit, guard, (0,) * arrays[0].shape[1], skipped,
    )  # fmt: skip
    return sum(skipped.tolist())
