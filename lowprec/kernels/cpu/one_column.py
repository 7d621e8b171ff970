"""Tables of one column: rows are single numbers, so WIDTH rows fill the lanes instead."""

from typing import NamedTuple

import numpy as np

from lowprec.kernels.blocks import load
from lowprec.kernels.columns import (
    by_column,
    copy_numbers,
    measure_columns,
    step_columns,
    step_row,
)
from lowprec.kernels.cpu.buckets import (
    empty_buckets,
    empty_sums,
    first_bucket,
    put_in_buckets,
    sum_buckets,
)
from lowprec.kernels.cpu.compiling import serial
from lowprec.kernels.cpu.launch import NUMBERS_TO_FIND_A_ROW, launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH, prefetch_numbers
from lowprec.kernels.cpu.options import PART, SERIAL
from lowprec.kernels.cpu.parts import in_parts
from lowprec.kernels.cpu.squares import squares_of
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
from lowprec.scalar.internal import internal, overloaded
from lowprec.scalar.xorshift import derive, halves_of

_ROWS_AHEAD = np.uint64(24)
_ONE = np.uint64(1)


class RowsInLanes(NamedTuple):
    """WIDTH rows: scratch, with any numbers in lanes without a row."""

    low: np.ndarray  # uint32: the halves of their keys
    high: np.ndarray
    missed: np.ndarray  # float32: as `OfRow` has it


@internal(forceinline=True, nogil=True)
def rows_in_lanes():
    """New scratch."""
    return RowsInLanes(
        np.zeros(WIDTH, np.uint32), np.zeros(WIDTH, np.uint32), np.zeros(WIDTH, np.float32)
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


@internal(forceinline=True, **SERIAL)
def _keys_of_rows(keys, step, of_first, rows, start, low, high):
    """The halves of the keys of WIDTH rows; those of one table in a loop without branches."""
    if keys.starts.size > 1:
        for lane in range(WIDTH):
            low[lane], high[lane] = row_key(keys, step, of_first, np.int64(rows[start + lane]))
        return
    key, begin, number, stride = of_first
    for lane in range(np.uint64(WIDTH)):
        row = np.int64(rows[start + lane])
        low[lane], high[lane] = halves_of(derive(key, number + (row - begin) * stride))


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
    rule, preparation, arrays, rows, sums, keys, step, stochastic, numbers, lanes, first, last
):
    """Step the rows from place `first` to `last` of `rows` by their `sums`.

    Both have WIDTH more numbers, of any value; `numbers` and `lanes` are scratch.
    """
    of_first = first_table(keys, step)
    of_rule = without_last(preparation, numbers)
    stepped = by_column(rule, of_rule)
    for start in range(first, last, np.uint64(WIDTH)):
        count = min(np.uint64(WIDTH), last - start)
        _keys_of_rows(keys, step, of_first, rows, start, lanes.low, lanes.high)
        for lane in range(count):
            row = np.int64(rows[start + lane])
            prefetch_numbers(arrays, np.int64(rows[min(start + lane + _ROWS_AHEAD, last - _ONE)]))
            lanes.missed[lane] = missed_of_row(preparation, arrays, row, step)
            note_seen(preparation, arrays, row, step)
            copy_numbers(arrays, row, numbers, lane)
        gradient, missed = load(sums, start, WIDTH), load(lanes.missed, 0, WIDTH)
        low, high = load(lanes.low, 0, WIDTH), load(lanes.high, 0, WIDTH)
        of_row = prepare_rows(preparation, gradient, missed)
        measured = measure_columns(rule, preparation, of_row, stepped, 0, gradient)
        own = step_row(rule, of_rule, 0, squares_of(measured), low, high, stochastic)
        step_columns(own, preparation, of_row, stepped, 0, 0, gradient, low, high, stochastic)
        for lane in range(count):
            copy_numbers(numbers, lane, arrays, np.int64(rows[start + lane]))


@internal(**PART)
def _step_buckets(
    rule, preparation, arrays, buckets, gradients, keys, step, stochastic, sums, part, parts
):
    first = first_bucket(buckets.bounds, part, parts)
    last = first_bucket(buckets.bounds, part + 1, parts)
    end = sum_buckets(buckets, gradients, first, last, sums, part)
    step_range_of_one_column(
        rule, preparation, arrays, sums.rows, sums.sums, keys, step, stochastic,
        numbers_in_lanes(arrays), rows_in_lanes(), np.uint64(buckets.bounds[first]), end,
    )  # fmt: skip


@serial
def _update_rows_of_one_column(
    rule, preparation, arrays, rows, labels, gradients, keys, step, stochastic, buckets, counts,
    sums, threads,
):  # fmt: skip
    put_in_buckets(rows, labels, buckets, counts, threads)
    in_parts(
        _step_buckets, rule, preparation, arrays, buckets, gradients, keys, step, stochastic, sums,
        threads,
    )  # fmt: skip


def update_rows_of_one_column(rules, arrays, unsorted, gradients, keys, step, stochastic, scratch):
    """One step on every row of a batch: see `update_rows`."""
    threads = threads_for(unsorted.ids * (1 + NUMBERS_TO_FIND_A_ROW))
    buckets, counts = empty_buckets(unsorted, threads, scratch)
    launch(
        _update_rows_of_one_column, threads, *rules, arrays, unsorted.rows, unsorted.labels,
        gradients, keys, step, stochastic, buckets, counts,
        empty_sums(buckets, threads, WIDTH, scratch),
    )  # fmt: skip
