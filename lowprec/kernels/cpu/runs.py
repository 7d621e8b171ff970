"""The runs of equal rows of a batch: the ids that one row of the table is stepped by."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.cache import cached
from lowprec.kernels.cpu.options import SERIAL, SERIAL_KERNEL
from lowprec.kernels.cpu.sort import sort_by_row
from lowprec.kernels.gradients import PIECE, ROW_SHIFT


class Runs(NamedTuple):
    """The ids of a batch, grouped by row: what `sort` made."""

    order: np.ndarray  # (n,) uint64: row << 32 | label, sorted
    starts: np.ndarray  # (runs + 1,) uint32
    first_pieces: np.ndarray  # (runs + 1,) uint32
    pieces: np.ndarray  # (pieces, embedding_dim) float32: the sums of long runs, by `sum_pieces`


@njit(forceinline=True, **SERIAL)
def row_of_run(runs, run):
    """The row (int64) that a run is about."""
    return np.int64(runs.order[runs.starts[run]] >> ROW_SHIFT)


@cached
@njit(**SERIAL_KERNEL)
def _find_runs(order, starts, first_pieces):
    """Runs of equal rows in sorted `order`; returns how many, and how many pieces need a sum.

    Run r is ``order[starts[r]:starts[r + 1]]``.  A run longer than PIECE is summed in pieces, the
    first of which is number ``first_pieces[r]`` of all such pieces; a short run needs none, and
    then ``first_pieces[r] == first_pieces[r + 1]``.
    """
    runs = np.uint64(0)
    previous = ~order[0]
    for i in range(np.uint64(order.size)):
        starts[runs] = i  # overwritten where it is no start, which is faster than a branch
        runs += np.uint64(((order[i] ^ previous) >> ROW_SHIFT) != np.uint64(0))
        previous = order[i]
    starts[runs] = order.size
    pieces = np.int64(0)
    for run in range(runs):
        first_pieces[run] = pieces
        count = np.int64(starts[run + np.uint64(1)]) - np.int64(starts[run])
        if count > PIECE:
            pieces += (count + PIECE - 1) // PIECE
    first_pieces[runs] = pieces
    return np.int64(runs), pieces


def group_by_row(rows, labels, num_rows, columns, memory):
    """The positions of a batch by row, each as its label: see `sort_by_row`.

    `columns` is how many a gradient has.  The arrays are those of `memory`.
    """
    n = rows.size
    packed = memory.empty("packed", (n,), np.uint64)
    spare = memory.empty("spare", (n,), np.uint64)
    starts = memory.empty("starts", (n + 1,), np.uint32)
    first_pieces = memory.empty("first_pieces", (n + 1,), np.uint32)
    order = sort_by_row(rows, labels, (num_rows - 1).bit_length(), packed, spare)
    count, num_pieces = _find_runs(order, starts, first_pieces)
    pieces = memory.empty("pieces", (num_pieces, columns), np.float32)
    return Runs(order, starts[: count + 1], first_pieces[: count + 1], pieces)
