"""The gradients of the rows of a batch: what each one is the sum of, and whether it is finite."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cache import cached
from lowprec.kernels.cuda.launch import INLINE, THREAD, NoNumbers, kernel, lanes_for, launch
from lowprec.kernels.cuda.runs import (
    begins_run,
    first_of_row,
    is_long,
    row_at,
    slot_of_piece,
)
from lowprec.kernels.cuda.wide import CHUNK, items_of_row, wide_columns
from lowprec.kernels.gradients import LABEL
from lowprec.scalar.bits import bits_as_float, fma
from lowprec.scalar.updates import PIECE, is_within, magnitude_bits

_INF = np.uint32(0x7F800000)
_MAXIMA = 1 << 16  # threads that look for the largest gradient


class Sum(NamedTuple):
    """What the gradient of a row is summed from."""

    order: np.ndarray
    pieces: np.ndarray
    grad: np.ndarray
    bags: np.ndarray  # placeholders, of any length, where `SumNumbers` says that there are none
    coefficients: np.ndarray


class SumNumbers(NamedTuple):
    """How the gradient of a row is summed."""

    by_bag: np.bool_  # labels are positions, whose bags are in `bags`
    weighted: np.bool_
    wide: np.int64  # columns that are moved in blocks
    lanes: np.int64


def sum_of(runs, gradients):
    """The arrays of a `Sum`."""
    weighted = gradients.coefficients.size > 0
    return Sum(
        runs.order,
        runs.pieces,
        gradients.grad,
        gradients.bags if gradients.bags.size else runs.order.view(np.uint32),
        gradients.coefficients if weighted else gradients.grad.reshape(-1),
    )


def sum_numbers(runs, gradients, *arrays):
    """The numbers of a `Sum` whose columns are those of `arrays`, too."""
    columns = gradients.grad.shape[1]
    wide = wide_columns(columns, gradients.grad, runs.pieces, *arrays)
    return SumNumbers(
        np.bool_(gradients.bags.size > 0),
        np.bool_(gradients.coefficients.size > 0),
        np.int64(wide),
        lanes_for(items_of_row(columns, wide)),
    )


@njit(**INLINE)
def _add(sums, how, entry, column, total):
    """Add the columns of one gradient, as many as `total` has, from `column` on."""
    label = np.int64(entry & LABEL)
    bag = np.int64(sums.bags[label]) if how.by_bag else label
    term = load(sums.grad, bag * sums.grad.shape[1] + column, total)
    if how.weighted:
        return fma(sums.coefficients[label], term, total)
    return total + term


@njit(**INLINE)
def _sum_piece(sums, how, first, column, total):
    """The sum over the places of a row from `first` on, at most PIECE."""
    row = row_at(sums.order, first)
    place, stop = first, first + PIECE
    if stop > sums.order.size:  # not min(), which Numba's own numba.cuda cannot compile here
        stop = sums.order.size
    while place < stop and row_at(sums.order, place) == row:
        total = _add(sums, how, sums.order[place], column, total)
        place += 1
    return total


@njit(**INLINE)
def sum_run(sums, how, first, column, total):
    """The gradient of the row whose run begins at `first`; `total` is zero."""
    if not is_long(sums.order, first):
        return _sum_piece(sums, how, first, column, total)
    row, columns = row_at(sums.order, first), sums.pieces.shape[1]
    place = first
    while place < sums.order.size and row_at(sums.order, place) == row:
        slot = slot_of_piece(place, place == first)
        total = total + load(sums.pieces, slot * columns + column, total)
        place += PIECE
    return total


@njit(**INLINE)
def _piece_slot(order, place):
    """The slot of the piece of a long run that begins at a place, or -1 where none does."""
    if begins_run(order, place):
        return slot_of_piece(place, True) if is_long(order, place) else np.int64(-1)
    row = row_at(order, place)
    if place < PIECE or row_at(order, place - PIECE) != row:
        return np.int64(-1)
    first = first_of_row(order, row)
    return slot_of_piece(place, False) if (place - first) % PIECE == 0 else np.int64(-1)


@cached
@njit(**THREAD)
def _sum_pieces(thread, threads, sums, how):
    columns, lane = sums.pieces.shape[1], thread % how.lanes
    for place in range(thread // how.lanes, sums.order.size, threads // how.lanes):
        slot = _piece_slot(sums.order, place)
        if slot < 0:
            continue
        for column in range(lane * CHUNK, how.wide, how.lanes * CHUNK):
            block = _sum_piece(sums, how, place, column, zeros(sums.grad, CHUNK))
            store(block, sums.pieces, slot * columns + column)
        for column in range(how.wide + lane, columns, how.lanes):
            number = _sum_piece(sums, how, place, column, zeros(sums.grad, 1))
            store(number, sums.pieces, slot * columns + column)


_run_sum_pieces = kernel(_sum_pieces)


def sum_pieces(runs, gradients):
    """Fill ``runs.pieces``: the sums of the pieces of long runs, each by a group of threads."""
    if runs.order.size > PIECE:
        how = sum_numbers(runs, gradients)
        launch(_run_sum_pieces, runs.order.size * int(how.lanes), sum_of(runs, gradients), how)


class _Sums(NamedTuple):
    of: Sum
    sums: np.ndarray


@cached
@njit(**THREAD)
def _sum_runs(thread, threads, arrays, how):
    order, columns, lane = arrays.of.order, arrays.sums.shape[1], thread % how.lanes
    for place in range(thread // how.lanes, order.size, threads // how.lanes):
        if not begins_run(order, place):
            continue
        for column in range(lane * CHUNK, how.wide, how.lanes * CHUNK):
            block = sum_run(arrays.of, how, place, column, zeros(arrays.sums, CHUNK))
            store(block, arrays.sums, place * columns + column)
        for column in range(how.wide + lane, columns, how.lanes):
            number = sum_run(arrays.of, how, place, column, zeros(arrays.sums, 1))
            store(number, arrays.sums, place * columns + column)


_run_sum_runs = kernel(_sum_runs)


def sum_runs(runs, gradients, sums):
    """``sums[place]`` = the gradient of the row whose run begins at a place of the sorted batch.

    The other places are left as they are.
    """
    how = sum_numbers(runs, gradients, sums)
    arrays = _Sums(sum_of(runs, gradients), sums)
    launch(_run_sum_runs, runs.order.size * int(how.lanes), arrays, how)


class _Largest(NamedTuple):
    x: np.ndarray
    largest: np.ndarray


@cached
@njit(**THREAD)
def _largest_magnitudes(thread, threads, arrays, numbers):
    count = arrays.largest.size
    for slot in range(thread, count, threads):
        most = np.uint32(0)
        for i in range(slot, arrays.x.size, count):
            bits = magnitude_bits(arrays.x[i])
            most = bits if bits > most else most
        arrays.largest[slot] = most


_run_largest_magnitudes = kernel(_largest_magnitudes)


class _Judge(NamedTuple):
    sums: Sum
    largest: np.ndarray  # (1,) uint32, as bits
    factor: np.ndarray  # (1,) float32, of the coefficients
    guard: np.ndarray
    halted: np.ndarray
    bad: np.ndarray


class _JudgeNumbers(NamedTuple):
    how: SumNumbers
    limit: np.float32
    refuse: np.bool_


class Verdict(NamedTuple):
    """Whether the gradients of a batch are within a limit, so that their steps are finite.

    The device knows, the host if it waits.
    """

    guard: np.ndarray  # (1,) bool: some might not be, and `bad` says which
    halted: np.ndarray  # (1,) bool: nothing may be written
    bad: np.ndarray  # (n,) bool: of a place that begins a run, whether its gradient is beyond

    @property
    def refused(self):
        """Whether nothing may be written."""
        return bool(self.halted[0])

    @property
    def bad_rows(self):
        """How many rows have a gradient beyond."""
        return int(self.bad.sum())


@cached
@njit(**THREAD)
def _judge(thread, threads, arrays, numbers):
    sums, how, limit = arrays.sums, numbers.how, numbers.limit
    bound = bits_as_float(arrays.largest[0]) * np.float32(sums.order.size)
    if how.weighted and arrays.factor[0] > np.float32(1.0):
        bound *= arrays.factor[0]
    if bound < limit:  # and is not NaN
        return
    arrays.guard[0] = True  # all threads that write here write the same
    if numbers.refuse and arrays.largest[0] >= _INF:
        arrays.halted[0] = True
    for place in range(thread, sums.order.size, threads):
        if not begins_run(sums.order, place):
            continue
        for column in range(sums.grad.shape[1]):
            total = sum_run(sums, how, place, column, zeros(sums.grad, 1))
            if not is_within(total, limit):
                arrays.bad[place] = True
                if numbers.refuse:
                    arrays.halted[0] = True


_run_judge = kernel(_judge)


def judge(runs, gradients, limit, refuse, halted, memory):
    """Whether all gradients are within the float32 `limit`; with `refuse`, nothing is to be written
    unless they are.

    What must not be written may have been `halted` (1,) before, and is halted there from now on;
    None begins anew.
    """
    how = sum_numbers(runs, gradients)
    x = gradients.grad.reshape(-1)
    largest = memory.empty("largest", (min(_MAXIMA, x.size),), np.uint32)
    launch(_run_largest_magnitudes, largest.size, _Largest(x, largest), NoNumbers())
    largest = largest.max(keepdims=True)
    factor = abs(gradients.coefficients).max(keepdims=True) if how.weighted else x
    flags = memory.empty("flags", (2,), np.bool_)
    bad = memory.empty("bad", (runs.order.size,), np.bool_)
    flags.fill(False)
    bad.fill(False)
    verdict = Verdict(flags[:1], flags[1:] if halted is None else halted, bad)
    arrays = _Judge(sum_of(runs, gradients), largest, factor, verdict.guard, verdict.halted, bad)
    numbers = _JudgeNumbers(how, np.float32(limit), np.bool_(refuse))
    launch(_run_judge, runs.order.size, arrays, numbers)
    return verdict
