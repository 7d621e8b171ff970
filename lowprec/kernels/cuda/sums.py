"""The gradients of the rows of a batch, each the sum of those of its positions."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cuda.launch import INLINE, RowThreads, kernel, lanes_for, launch
from lowprec.kernels.cuda.segments import (
    begins_segment,
    first_of_row,
    is_long,
    row_at,
    slot_of_piece,
)
from lowprec.kernels.cuda.wide import CHUNK, items_of_row, wide_columns
from lowprec.kernels.gradients import LABEL, PIECE, Gradients
from lowprec.scalar.bits import fma


class HowToSum(NamedTuple):
    """How the gradient of a row is summed."""

    by_bag: bool  # labels are positions, whose bags are in `bags`
    weighted: bool
    wide: int  # columns that are moved in blocks
    lanes: RowThreads


def how_to_sum(segments, gradients, *arrays):
    """For rows whose columns are those of `arrays`, too."""
    columns = gradients.grad.shape[1]
    wide = wide_columns(columns, gradients.grad, segments.pieces, *arrays)
    lanes = lanes_for(items_of_row(columns, wide))
    return HowToSum(gradients.bags.size > 0, gradients.factors.size > 0, wide, lanes)


def without_empty(segments, gradients):
    """`Gradients` for a kernel, with other arrays where `HowToSum` says that there are none."""
    bags = gradients.bags if gradients.bags.size else segments.order.view(np.uint32)
    factors = gradients.factors
    if not factors.size:
        factors = gradients.grad.reshape(-1)
    return Gradients(gradients.grad, bags, factors)


@njit(**INLINE)
def _term(gradients, how, entry, column, width):
    """The columns of one gradient from `column` on, as many as `width` has, and its factor."""
    label = np.int64(entry & LABEL)
    bag = np.int64(gradients.bags[label]) if how.by_bag else label
    factor = gradients.factors[label] if how.weighted else np.float32(1.0)
    return load(gradients.grad, bag * gradients.grad.shape[1] + column, width), factor


@njit(**INLINE)
def _end_of_piece(order, first):
    """The place after the last of a row's piece that begins at `first`: found in few looks."""
    row, low, step = row_at(order, first), first + 1, np.int64(1)
    stop = first + PIECE
    if stop > order.size:  # not min(), which Numba's own numba.cuda cannot compile here
        stop = order.size
    while low + step <= stop and row_at(order, low + step - 1) == row:
        low += step
        step += step
    # those before `low` are of the row, and less than `step` more
    while step > 1:
        step >>= 1
        if low + step <= stop and row_at(order, low + step - 1) == row:
            low += step
    return low


@njit(**INLINE)
def _sum_piece(order, gradients, how, first, column, total):
    """The sum over the places of a row from `first` on, at most PIECE.

    Four gradients are loaded at once and added in order.  An fma with the factor 1.0 is a sum.
    """
    place, stop = first, _end_of_piece(order, first)
    while place + 3 < stop:
        one, by_one = _term(gradients, how, order[place], column, total)
        two, by_two = _term(gradients, how, order[place + 1], column, total)
        three, by_three = _term(gradients, how, order[place + 2], column, total)
        four, by_four = _term(gradients, how, order[place + 3], column, total)
        total = fma(by_two, two, fma(by_one, one, total))
        total = fma(by_four, four, fma(by_three, three, total))
        place += 4
    while place + 1 < stop:
        one, by_one = _term(gradients, how, order[place], column, total)
        two, by_two = _term(gradients, how, order[place + 1], column, total)
        total = fma(by_two, two, fma(by_one, one, total))
        place += 2
    if place < stop:
        one, by_one = _term(gradients, how, order[place], column, total)
        total = fma(by_one, one, total)
    return total


@njit(**INLINE)
def sum_segment(segments, gradients, how, first, column, total):
    """The gradient of the row whose segment begins at `first`; `total` is zero."""
    order, pieces = segments.order, segments.pieces
    if not is_long(order, first):
        return _sum_piece(order, gradients, how, first, column, total)
    row, columns = row_at(order, first), pieces.shape[1]
    place = first
    while place < order.size and row_at(order, place) == row:
        slot = slot_of_piece(place, place == first)
        total = total + load(pieces, slot * columns + column, total)
        place += PIECE
    return total


@njit(**INLINE)
def _piece_slot(order, place):
    """The slot of the piece of a long segment that begins at a place, or -1 where none does."""
    if begins_segment(order, place):
        return slot_of_piece(place, True) if is_long(order, place) else np.int64(-1)
    row = row_at(order, place)
    if place < PIECE or row_at(order, place - PIECE) != row:
        return np.int64(-1)
    first = first_of_row(order, row)
    return slot_of_piece(place, False) if (place - first) % PIECE == 0 else np.int64(-1)


@njit(**INLINE)
def sum_own_pieces(thread, threads, segments, gradients, how):
    """Fill the part of ``segments.pieces`` that a thread has."""
    order, pieces = segments.order, segments.pieces
    columns, lanes = pieces.shape[1], how.lanes
    lane, place = thread & (lanes.threads - 1), thread >> lanes.shift
    while place < order.size:
        slot = _piece_slot(order, place)
        column = lane * CHUNK
        while slot >= 0 and column < how.wide:
            block = _sum_piece(order, gradients, how, place, column, zeros(pieces, CHUNK))
            store(block, pieces, slot * columns + column)
            column += lanes.threads * CHUNK
        column = how.wide + lane
        while slot >= 0 and column < columns:
            number = _sum_piece(order, gradients, how, place, column, zeros(pieces, 1))
            store(number, pieces, slot * columns + column)
            column += lanes.threads
        place += threads >> lanes.shift


@njit(**INLINE)
def sum_anew(order, gradients, how, first, column):
    """A column of what `sum_segment` gives, but for the sign of zero, without ``pieces``."""
    row, place, total = row_at(order, first), first, np.float32(0.0)
    while place < order.size and row_at(order, place) == row:
        total += _sum_piece(order, gradients, how, place, column, np.float32(0.0))
        place += PIECE
    return total


@kernel
def _sum_segments(thread, threads, segments, gradients, how, sums):
    order, columns, lanes = segments.order, sums.shape[1], how.lanes
    lane, place = thread & (lanes.threads - 1), thread >> lanes.shift
    while place < order.size:
        begins = begins_segment(order, place)
        column = lane * CHUNK
        while begins and column < how.wide:
            block = sum_segment(segments, gradients, how, place, column, zeros(sums, CHUNK))
            store(block, sums, place * columns + column)
            column += lanes.threads * CHUNK
        column = how.wide + lane
        while begins and column < columns:
            number = sum_segment(segments, gradients, how, place, column, zeros(sums, 1))
            store(number, sums, place * columns + column)
            column += lanes.threads
        place += threads >> lanes.shift


def sum_segments(segments, gradients, sums):
    """``sums[place]`` = the gradient of the row whose segment begins at a place of the order.

    The other places are left as they are.
    """
    how = how_to_sum(segments, gradients, sums)
    gradients = without_empty(segments, gradients)
    launch(_sum_segments, segments.order.size * how.lanes.threads, segments, gradients, how, sums)
