"""Updating a table: each row of the batch is summed, stepped, rounded and stored by one owner."""

import numpy as np

from lowprec.formats.words import number_type
from lowprec.kernels.blocks import load
from lowprec.kernels.columns import by_column, step_columns, step_row
from lowprec.kernels.cpu.buckets import Unsorted, segments_of
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.finite import are_within
from lowprec.kernels.cpu.launch import NUMBERS_TO_FIND_A_ROW, launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH, in_blocks, prefetch_rows
from lowprec.kernels.cpu.narrow import NARROW, update_narrow_rows
from lowprec.kernels.cpu.one_column import update_rows_of_one_column
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.segments import first_segment, row_of_segment
from lowprec.kernels.cpu.squares import CHAINS_OF_ROW, mean_squares, prepare_row
from lowprec.kernels.cpu.sums import (
    bag_of_one,
    is_one_gradient,
    one_gradient,
    sum_segment,
)
from lowprec.kernels.cpu.tails import LEAST, MOVES_SOME, give, new_lanes, take
from lowprec.kernels.keys import first_table, row_key
from lowprec.kernels.preparing import missed_of_row, note_seen, without_last
from lowprec.scalar.bits import compiled_for
from lowprec.scalar.internal import internal, overloaded

_ROWS_AHEAD = np.uint64(24)
# With AVX-512, the random words of two blocks fill a register, which those of one do only by half.
# Longer rows and rows with states wait for memory; other CPUs have too few registers.
_PAIR = 2 * WIDTH
_MOST_IN_PAIRS = 127  # columns
_WIDE = compiled_for("avx512f")
_NEGATIVE_ZERO = np.float32(-0.0)


def _step_pairs(
    rule, preparation, of_row, arrays, row, gradient, start, zero, columns, low, high, stochastic
):
    """Step the first columns of a row two blocks at a time; returns how many it has stepped."""


@overloaded(_step_pairs, forceinline=True, **SERIAL)
def _overload_step_pairs(
    rule, preparation, of_row, arrays, row, gradient, start, zero, columns, low, high, stochastic
):
    def none(
        rule, preparation, of_row, arrays, row, gradient, start, zero, columns, low, high,
        stochastic,
    ):  # fmt: skip
        return 0

    def pairs(
        rule, preparation, of_row, arrays, row, gradient, start, zero, columns, low, high,
        stochastic,
    ):  # fmt: skip
        last = columns - columns % _PAIR if columns <= _MOST_IN_PAIRS else 0
        for column in range(0, last, _PAIR):
            blocks = zero + load(gradient, start + column, _PAIR)
            step_columns(
                rule, preparation, of_row, arrays, row + column, column, blocks, low, high,
                stochastic,
            )  # fmt: skip
        return last

    shares_words = number_type(arrays[0].dtype).bitwidth == 16  # as `draw` says
    return pairs if _WIDE and shares_words and len(arrays) == 1 else none


@internal(**SERIAL)
def _step_range(
    rule, preparation, arrays, segments, gradients, keys, step, stochastic, limit, guard,
    first, last, total, chains,
):  # fmt: skip
    columns = total.shape[1]
    whole = in_blocks(columns)
    of_rule = without_last(preparation, arrays)
    stepped = by_column(rule, of_rule)
    skipped, of_first = 0, first_table(keys, step)
    lanes = new_lanes((total,) + stepped)  # noqa: RUF005
    for segment in range(first, last):
        ahead = min(segment + _ROWS_AHEAD, last - np.uint64(1))
        prefetch_rows(arrays, row_of_segment(segments, ahead))
        if is_one_gradient(segments, gradients, segment) and not guard:
            bag = bag_of_one(segments, gradients, segment)
            gradient, start = one_gradient(gradients, bag, total)
            zero = np.float32(0.0)
        else:
            sum_segment(segments, gradients, segment, total[0])
            gradient, zero, start = total, _NEGATIVE_ZERO, 0
            if guard and not are_within(total[0], limit):
                skipped += 1
                continue
        index = row_of_segment(segments, segment)
        low, high = row_key(keys, step, of_first, index)
        row = index * columns
        missed = missed_of_row(preparation, arrays, index, step)
        of_row = prepare_row(preparation, gradient, start, columns, missed, chains)
        squares = mean_squares(
            rule, preparation, of_row, stepped, row, gradient, start, columns, chains
        )
        own = step_row(rule, of_rule, index, squares, low, high, stochastic)
        note_seen(preparation, arrays, index, step)
        # A sum begins with 0.0, even that of one gradient, which makes a -0.0 a 0.0; adding -0.0
        # leaves every number as it is.
        in_pairs = _step_pairs(
            own, preparation, of_row, stepped, row, gradient, start, zero, columns, low, high,
            stochastic,
        )  # fmt: skip
        for column in range(in_pairs, whole, WIDTH):
            block = zero + load(gradient, start + column, WIDTH)
            step_columns(
                own, preparation, of_row, stepped, row + column, column, block, low, high,
                stochastic,
            )  # fmt: skip
        if MOVES_SOME and columns - whole >= LEAST:
            count = columns - whole
            take((gradient,), start + whole, (lanes[0],), count)
            take(stepped, row + whole, lanes[1:], count)
            block = zero + load(lanes[0], 0, WIDTH)
            step_columns(
                own, preparation, of_row, lanes[1:], 0, whole, block, low, high, stochastic
            )
            give(stepped, row + whole, lanes[1:], count)
            continue
        for column in range(whole, columns):
            number = zero + load(gradient, start + column, 1)
            step_columns(
                own, preparation, of_row, stepped, row + column, column, number, low, high,
                stochastic,
            )  # fmt: skip
    return skipped


@parallel
def _update_rows(
    rule, preparation, arrays, segments, gradients, keys, step, stochastic, limit, guard,
    totals, chains, skipped, t, threads,
):  # fmt: skip
    first = first_segment(segments.starts, t, threads)
    last = first_segment(segments.starts, t + 1, threads)
    skipped[t] = _step_range(
        rule, preparation, arrays, segments, gradients, keys, step, stochastic, limit, guard,
        first, last, totals[t : t + 1], chains[t],
    )  # fmt: skip


def update_rows(rules, arrays, groups, gradients, keys, step, stochastic, limit, check, scratch):
    """One step on every row of the batch whose gradient is within `limit`; returns how many others.

    `groups` is what `group_and_check` gave.  `rules` are a rule and its preparation, `arrays` are
    ``(weight, *states)``, `keys` are `RowKeys`, `stochastic` is the sum of WEIGHT and STATES that
    are rounded so, and `step` is uint64.  Nothing is written if the `check` says so.
    """
    if check.refused:
        return 0
    if isinstance(groups, Unsorted) and not check.guard:
        update_rows_of_one_column(rules, arrays, groups, gradients, keys, step, stochastic, scratch)
        return 0
    segments = segments_of(groups, gradients, scratch)
    columns = arrays[0].shape[1]
    threads = threads_for(segments.order.size * (columns + NUMBERS_TO_FIND_A_ROW))
    if columns in NARROW:
        return update_narrow_rows(
            rules, arrays, segments, gradients, keys, step, stochastic, limit, check.guard, threads
        )
    common = *rules, arrays, segments, gradients, keys, step, stochastic
    totals = scratch.empty("totals", (threads, columns), np.float32)
    chains = scratch.empty("chains", (threads, CHAINS_OF_ROW), np.float32)
    skipped = np.zeros(threads, np.int64)
    launch(_update_rows, threads, *common, limit, check.guard, totals, chains, skipped)
    return sum(skipped.tolist())
