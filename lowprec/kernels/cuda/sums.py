"""The gradients of the rows of a batch, each the sum of those of its positions."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cuda.launch import INLINE, kernel, launch, threads_per_row
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
    lanes: int  # threads of a row


def how_to_sum(segments, gradients, *arrays):
    """For rows whose columns are those of `arrays`, too."""
    columns = gradients.grad.shape[1]
    wide = wide_columns(columns, gradients.grad, segments.pieces, *arrays)
    lanes = threads_per_row(items_of_row(columns, wide))
    return HowToSum(gradients.bags.size > 0, gradients.factors.size > 0, wide, lanes)


def without_empty(segments, gradients):
    """`Gradients` for a kernel, with other arrays where `HowToSum` says that there are none."""
    bags = gradients.bags if gradients.bags.size else segments.order.view(np.uint32)
    factors = gradients.factors
    if not factors.size:
        factors = gradients.grad.reshape(-1)
    return Gradients(gradients.grad, bags, factors)


@njit(**INLINE)
def _add(gradients, how, entry, column, total):
    """Add the columns of one gradient, as many as `total` has, from `column` on."""
    label = np.int64(entry & LABEL)
    bag = np.int64(gradients.bags[label]) if how.by_bag else label
    term = load(gradients.grad, bag * gradients.grad.shape[1] + column, total)
    if how.weighted:
        return fma(gradients.factors[label], term, total)
    return total + term


@njit(**INLINE)
def _sum_piece(order, gradients, how, first, column, total):
    """The sum over the places of a row from `first` on, at most PIECE."""
    row = row_at(order, first)
    place, stop = first, first + PIECE
    if stop > order.size:  # not min(), which Numba's own numba.cuda cannot compile here
        stop = order.size
    while place < stop and row_at(order, place) == row:
        total = _add(gradients, how, order[place], column, total)
        place += 1
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


@kernel
def _sum_pieces(thread, threads, order, pieces, gradients, how):
    columns, lane = pieces.shape[1], thread % how.lanes
    for place in range(thread // how.lanes, order.size, threads // how.lanes):
        slot = _piece_slot(order, place)
        if slot < 0:
            continue
        for column in range(lane * CHUNK, how.wide, how.lanes * CHUNK):
            block = _sum_piece(order, gradients, how, place, column, zeros(pieces, CHUNK))
            store(block, pieces, slot * columns + column)
        for column in range(how.wide + lane, columns, how.lanes):
            number = _sum_piece(order, gradients, how, place, column, zeros(pieces, 1))
            store(number, pieces, slot * columns + column)


def sum_pieces(segments, gradients):
    """Fill ``segments.pieces``: the sums of the pieces of long segments, by groups of threads."""
    if segments.order.size > PIECE:
        how = how_to_sum(segments, gradients)
        launch(
            _sum_pieces, segments.order.size * how.lanes,
            segments.order, segments.pieces, without_empty(segments, gradients), how,
        )  # fmt: skip


@kernel
def _sum_segments(thread, threads, segments, gradients, how, sums):
    order, columns, lane = segments.order, sums.shape[1], thread % how.lanes
    for place in range(thread // how.lanes, order.size, threads // how.lanes):
        if not begins_segment(order, place):
            continue
        for column in range(lane * CHUNK, how.wide, how.lanes * CHUNK):
            block = sum_segment(segments, gradients, how, place, column, zeros(sums, CHUNK))
            store(block, sums, place * columns + column)
        for column in range(how.wide + lane, columns, how.lanes):
            number = sum_segment(segments, gradients, how, place, column, zeros(sums, 1))
            store(number, sums, place * columns + column)


def sum_segments(segments, gradients, sums):
    """``sums[place]`` = the gradient of the row whose segment begins at a place of the order.

    The other places are left as they are.
    """
    how = how_to_sum(segments, gradients, sums)
    gradients = without_empty(segments, gradients)
    launch(_sum_segments, segments.order.size * how.lanes, segments, gradients, how, sums)
