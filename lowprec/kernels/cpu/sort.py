"""Grouping the ids of a batch by row: a stable parallel radix sort, then the runs of equal rows."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.options import PARALLEL, SERIAL, SERIAL_KERNEL
from lowprec.scalar.updates import PIECE

DIGIT_BITS = 12
# An entry is row << 32 | label, both 32 bits.
ROW_SHIFT = np.uint64(32)
LABEL = np.uint64(0xFFFFFFFF)


@njit(**SERIAL)
def _pack_and_count(rows, labels, packed, mask, counts, start, stop):
    counts[:] = np.uint32(0)
    for i in range(np.uint64(start), np.uint64(stop)):  # unsigned: an index that is never negative
        row = np.uint64(rows[i])
        packed[i] = (row << ROW_SHIFT) | (np.uint64(labels[i]) if labels.size else i)
        counts[row & mask] += np.uint32(1)


@njit(**SERIAL)
def _count(packed, shift, mask, counts, start, stop):
    counts[:] = np.uint32(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        counts[(packed[i] >> shift) & mask] += np.uint32(1)


@njit(**SERIAL)
def _counts_to_places(counts):
    """In place: where each thread writes its first entry of each digit, digits before threads."""
    place = np.uint32(0)
    for digit in range(counts.shape[1]):
        for t in range(counts.shape[0]):
            count = counts[t, digit]
            counts[t, digit] = place
            place += count


@njit(**SERIAL)
def _scatter(packed, shift, mask, places, out, start, stop):
    for i in range(np.uint64(start), np.uint64(stop)):
        entry = packed[i]
        digit = (entry >> shift) & mask
        place = places[digit]
        out[place] = entry
        places[digit] = place + np.uint32(1)


@njit(**PARALLEL)
def sort_by_row(rows, labels, row_bits, packed, spare, threads):
    """Sort the positions of a batch by row, equal rows in batch order; returns `packed` or `spare`.

    `rows` is uint32 and below ``2**row_bits``; an entry of the result is ``row << 32 | label``
    (uint64), where `labels` (uint32) are those of the positions, or the positions if it is empty.
    Least significant digit first, each thread on its own stretch of the batch, so the result does
    not depend on the number of threads.
    """
    size = rows.size
    passes = max(1, (row_bits + DIGIT_BITS - 1) // DIGIT_BITS)
    digit_bits = (row_bits + passes - 1) // passes
    mask = np.uint64((1 << digit_bits) - 1)
    counts = np.empty((threads, 1 << digit_bits), np.uint32)
    for p in range(passes):
        shift = ROW_SHIFT + np.uint64(p * digit_bits)
        for t in prange(threads):
            start, stop = t * size // threads, (t + 1) * size // threads
            if p == 0:
                _pack_and_count(rows, labels, packed, mask, counts[t], start, stop)
            else:
                _count(packed, shift, mask, counts[t], start, stop)
        _counts_to_places(counts)
        for t in prange(threads):
            start, stop = t * size // threads, (t + 1) * size // threads
            _scatter(packed, shift, mask, counts[t], spare, start, stop)
        packed, spare = spare, packed
    return packed


@njit(**SERIAL_KERNEL)
def find_runs(order, starts, first_pieces):
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
