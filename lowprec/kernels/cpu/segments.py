"""The segments of equal rows of a batch: the ids that one row of the table is stepped by."""

from typing import NamedTuple

import numpy as np

from lowprec.kernels.cpu.compiling import serial
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.search import first_at_least
from lowprec.kernels.cpu.sort import sort_by_row
from lowprec.kernels.gradients import PIECE, ROW_SHIFT
from lowprec.scalar.internal import internal


class Segments(NamedTuple):
    """The ids of a batch, grouped by row: what `sort` made."""

    order: np.ndarray  # (n,) uint64: row << 32 | label, sorted
    starts: np.ndarray  # (segments + 1,) uint32
    first_pieces: np.ndarray  # (segments + 1,) uint32
    pieces: np.ndarray  # (pieces, embedding_dim) float32: sums of long segments, by `sum_pieces`

    @property
    def ids(self):
        """How many there are."""
        return self.order.size


@internal(forceinline=True, **SERIAL)
def row_of_segment(segments, segment):
    """The row (int64) that a segment is about."""
    return np.int64(segments.order[segments.starts[segment]] >> ROW_SHIFT)


@internal(forceinline=True, **SERIAL)
def first_segment(starts, part, parts):
    """The first segment of a part of the batch: halfway between equal ids and equal rows a part."""
    segments = starts.size - 1
    by_ids = first_at_least(starts, np.int64(starts[segments]) * part // parts)
    return np.uint64((by_ids + segments * part // parts) // 2)


@serial
def _find_segments(order, starts, first_pieces):
    """Segments of equal rows in sorted `order`; returns how many, and how many pieces need a sum.

    Segment s is ``order[starts[s]:starts[s + 1]]``.  A segment longer than PIECE is summed in
    pieces, the first of which is number ``first_pieces[s]`` of all such pieces; a short segment
    needs none, and then ``first_pieces[s] == first_pieces[s + 1]``.
    """
    segments = np.uint64(0)
    previous = ~order[0]
    for i in range(np.uint64(order.size)):
        starts[segments] = i  # overwritten where it is no start, which is faster than a branch
        segments += np.uint64(((order[i] ^ previous) >> ROW_SHIFT) != np.uint64(0))
        previous = order[i]
    starts[segments] = order.size
    pieces = np.int64(0)
    for segment in range(segments):
        first_pieces[segment] = pieces
        count = np.int64(starts[segment + np.uint64(1)]) - np.int64(starts[segment])
        if count > PIECE:
            pieces += (count + PIECE - 1) // PIECE
    first_pieces[segments] = pieces
    return np.int64(segments), pieces


def group_by_row(rows, labels, num_rows, columns, scratch):
    """The positions of a batch by row, each as its label: see `sort_by_row`.

    `columns` is how many a gradient has.  The arrays are those of `scratch`.
    """
    n = rows.size
    packed = scratch.empty("packed", (n,), np.uint64)
    spare = scratch.empty("spare", (n,), np.uint64)
    starts = scratch.empty("starts", (n + 1,), np.uint32)
    first_pieces = scratch.empty("first_pieces", (n + 1,), np.uint32)
    order = sort_by_row(rows, labels, (num_rows - 1).bit_length(), packed, spare)
    count, num_pieces = _find_segments(order, starts, first_pieces)
    pieces = scratch.empty("pieces", (num_pieces, columns), np.float32)
    return Segments(order, starts[: count + 1], first_pieces[: count + 1], pieces)
