"""The ids of a batch, grouped by row.

A batch is sorted by row.  A thread finds by itself whether its place begins a segment of equal
rows, so nothing about the segments has to be counted, or copied to the host.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.cuda.launch import INLINE, kernel, launch
from lowprec.kernels.gradients import PIECE, ROW_SHIFT


class Segments(NamedTuple):
    """What `group_by_row` made."""

    order: np.ndarray  # (n,) uint64: row << 32 | label, sorted
    pieces: np.ndarray  # (slots, embedding_dim) float32: the sums of pieces, by `sum_pieces`


@njit(**INLINE)
def row_at(order, place):
    """The row (int64) of a place of the sorted batch."""
    return np.int64(order[place] >> ROW_SHIFT)


@njit(**INLINE)
def begins_segment(order, place):
    """Whether a place is the first of its row."""
    return place == 0 or row_at(order, place - 1) != row_at(order, place)


@njit(**INLINE)
def is_long(order, place):
    """Whether the segment that begins at a place is summed in pieces."""
    ahead = place + PIECE
    return ahead < order.size and row_at(order, ahead) == row_at(order, place)


@njit(**INLINE)
def first_of_row(order, row):
    """The first place of a row that is there."""
    low, high = np.int64(0), order.size
    while low < high:
        middle = (low + high) >> 1
        if row_at(order, middle) < row:
            low = middle + 1
        else:
            high = middle
    return low


@njit(**INLINE)
def slot_of_piece(place, is_first):
    """Where the sum of the piece that begins at a place is kept.

    Of PIECE successive places, at most one begins a long segment and one continues another.
    """
    return 2 * (place // PIECE) + (0 if is_first else 1)


@kernel
def _pack(thread, threads, rows, labels, labelled, packed):
    for i in range(thread, rows.size, threads):
        label = np.uint64(labels[i]) if labelled else np.uint64(i)
        packed[i] = (np.uint64(rows[i]) << ROW_SHIFT) | label


def group_by_row(rows, labels, num_rows, columns, scratch):
    """The positions of a batch sorted by row, equal rows in batch order.

    An entry is ``row << 32 | label`` (uint64), where `labels` (uint32) are those of the positions,
    or the positions if it is empty.  Labels do not decrease, so sorting whole entries is stable.
    `columns` is how many a gradient has.  The arrays are those of `scratch`.
    """
    packed = scratch.empty("packed", (rows.size,), np.uint64)
    labelled = labels.size > 0
    launch(_pack, rows.size, rows, labels if labelled else rows, labelled, packed)
    packed.sort()
    slots = 2 * (-(-rows.size // PIECE))
    return Segments(packed, scratch.empty("pieces", (slots, columns), np.float32))
