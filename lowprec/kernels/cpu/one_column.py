"""Tables of one column: rows are single numbers, so WIDTH rows fill the lanes instead."""

from typing import NamedTuple

import numpy as np

from lowprec.kernels.blocks import load, store
from lowprec.kernels.cpu.buckets import (
    empty_buckets,
    empty_sums,
    first_bucket,
    put_in_buckets,
    sum_bucket,
)
from lowprec.kernels.cpu.compiling import serial
from lowprec.kernels.cpu.in_lanes import step_in_lanes
from lowprec.kernels.cpu.launch import NUMBERS_TO_FIND_A_ROW, launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH
from lowprec.kernels.cpu.options import PART, SERIAL
from lowprec.kernels.cpu.parts import in_parts
from lowprec.kernels.cpu.tails import new_lanes
from lowprec.kernels.keys import first_table, row_key
from lowprec.kernels.preparing import missed_of_row, note_seen
from lowprec.scalar.internal import internal
from lowprec.scalar.xorshift import derive, halves_of

_ONE_COLUMN = (0,)


class RowsInLanes(NamedTuple):
    """WIDTH rows: scratch of one thread."""

    rows: np.ndarray  # uint32: which they are
    sums: np.ndarray  # float32: their gradients
    low: np.ndarray  # uint32: the halves of their keys
    high: np.ndarray
    missed: np.ndarray  # float32: as `OfRow` has it


@internal(forceinline=True, nogil=True)
def rows_in_lanes():
    """New scratch."""
    return RowsInLanes(
        np.zeros(WIDTH, np.uint32), np.zeros(WIDTH, np.float32), np.zeros(WIDTH, np.uint32),
        np.zeros(WIDTH, np.uint32), np.zeros(WIDTH, np.float32),
    )  # fmt: skip


@internal(forceinline=True, **SERIAL)
def _keys_of_rows(keys, step, of_first, rows, start, low, high):
    """The halves of the keys of WIDTH rows; those of one table in a loop without branches."""
    if keys.starts.size > 1:
        for lane in range(np.uint64(WIDTH)):
            low[lane], high[lane] = row_key(keys, step, of_first, np.int64(rows[start + lane]))
        return
    key, begin, number, stride = of_first
    for lane in range(np.uint64(WIDTH)):
        row = np.int64(rows[start + lane])
        low[lane], high[lane] = halves_of(derive(key, number + (row - begin) * stride))


@internal(forceinline=True, **SERIAL)
def _step_lanes(
    rule, preparation, arrays, found, keys, step, of_first, stochastic, numbers, lanes, start, count
):  # fmt: skip
    """Step `count` rows of `found` from place `start` on, at most WIDTH."""
    rows, sums, first = found.rows, found.sums, np.int64(start)
    if count < np.uint64(WIDTH):  # what is behind them is of another thread
        store(load(rows, first, WIDTH), lanes.rows, 0)
        store(load(sums, first, WIDTH), lanes.sums, 0)
        rows, sums, first = lanes.rows, lanes.sums, np.int64(0)
    for lane in range(count):
        row = np.int64(rows[first + np.int64(lane)])
        lanes.missed[lane] = missed_of_row(preparation, arrays, row, step)
        note_seen(preparation, arrays, row, step)
    for lane in range(count, np.uint64(WIDTH)):  # the last row again, to the same number
        last = count - np.uint64(1)
        rows[lane], sums[lane] = rows[last], sums[last]
        lanes.missed[lane] = lanes.missed[last]
    _keys_of_rows(keys, step, of_first, rows, np.uint64(first), lanes.low, lanes.high)
    step_in_lanes(
        rule, preparation, arrays, rows, sums, first, load(lanes.low, 0, WIDTH),
        load(lanes.high, 0, WIDTH), load(lanes.missed, 0, WIDTH), stochastic, numbers, _ONE_COLUMN,
    )  # fmt: skip


@internal(**PART)
def _step_buckets(
    rule, preparation, arrays, buckets, gradients, keys, step, stochastic, sums, part, parts
):
    """Sum the gradients of some buckets and step their rows, as soon as WIDTH are summed.

    `sums` has WIDTH more numbers, of any value.
    """
    numbers, lanes = new_lanes(arrays), rows_in_lanes()
    of_first, width = first_table(keys, step), np.uint64(WIDTH)
    first = first_bucket(buckets.bounds, part, parts)
    last = first_bucket(buckets.bounds, part + 1, parts)
    begin = end = np.uint64(buckets.bounds[first])
    for bucket in range(first, last):
        end = sum_bucket(buckets, gradients, bucket, sums, part, end, arrays)
        behind = end if bucket + 1 == last else end - (end - begin) % width
        for start in range(begin, behind, width):
            _step_lanes(
                rule, preparation, arrays, sums, keys, step, of_first, stochastic, numbers, lanes,
                start, min(width, end - start),
            )  # fmt: skip
        for place in range(end - behind):  # to the front, so that one place is used over and over
            sums.rows[begin + place] = sums.rows[behind + place]
            sums.sums[begin + place] = sums.sums[behind + place]
        end = begin + (end - behind)


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
    num_labels = max(len(gradients.grad), gradients.bags.size)
    buckets, counts = empty_buckets(unsorted, num_labels, threads, scratch)
    launch(
        _update_rows_of_one_column, threads, *rules, arrays, unsorted.rows, unsorted.labels,
        gradients, keys, step, stochastic, buckets, counts,
        empty_sums(buckets, threads, WIDTH, scratch),
    )  # fmt: skip
