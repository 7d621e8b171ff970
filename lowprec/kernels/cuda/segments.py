"""The ids of a batch, grouped by row.

A batch is sorted by row.  A thread finds by itself whether its place begins a segment of equal
rows, so nothing about the segments has to be counted, or copied to the host.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.cuda.launch import INLINE
from lowprec.kernels.gradients import PIECE, ROW_SHIFT


class Segments(NamedTuple):
    """What `group_and_check` made."""

    order: np.ndarray  # (n,) uint64: row << 32 | label, sorted
    pieces: np.ndarray  # (slots, embedding_dim) float32: the sums of pieces of long segments


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
