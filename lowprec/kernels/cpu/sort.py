"""A stable parallel radix sort of the positions of a batch by row."""

import numpy as np

from lowprec.kernels.cpu.compiling import serial
from lowprec.kernels.cpu.launch import NUMBERS_TO_SORT_AN_ID, launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.parts import in_parts
from lowprec.kernels.gradients import ROW_SHIFT
from lowprec.scalar.internal import internal

DIGIT_BITS = 12


@internal(**SERIAL)
def _pack_and_count(rows, labels, packed, mask, counts, part, parts):
    start, stop = part * rows.size // parts, (part + 1) * rows.size // parts
    counts = counts[part]
    counts[:] = np.uint32(0)
    for i in range(np.uint64(start), np.uint64(stop)):  # unsigned: an index that is never negative
        row = np.uint64(rows[i])
        packed[i] = (row << ROW_SHIFT) | (np.uint64(labels[i]) if labels.size else i)
        counts[row & mask] += np.uint32(1)


@internal(**SERIAL)
def _count(packed, shift, mask, counts, part, parts):
    start, stop = part * packed.size // parts, (part + 1) * packed.size // parts
    counts = counts[part]
    counts[:] = np.uint32(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        counts[(packed[i] >> shift) & mask] += np.uint32(1)


@internal(**SERIAL)
def counts_to_places(counts):
    """In place: where each thread writes its first entry of each digit, digits before threads."""
    place = np.uint32(0)
    for digit in range(counts.shape[1]):
        for t in range(counts.shape[0]):
            count = counts[t, digit]
            counts[t, digit] = place
            place += count


@internal(**SERIAL)
def _scatter(packed, shift, mask, places, out, part, parts):
    start, stop = part * packed.size // parts, (part + 1) * packed.size // parts
    places = places[part]
    for i in range(np.uint64(start), np.uint64(stop)):
        entry = packed[i]
        digit = (entry >> shift) & mask
        place = places[digit]
        out[place] = entry
        places[digit] = place + np.uint32(1)


@serial
def _sort_by_row(rows, labels, passes, digit_bits, packed, spare, counts, threads):
    mask = np.uint64((1 << digit_bits) - 1)
    for p in range(passes):
        shift = ROW_SHIFT + np.uint64(p * digit_bits)
        if p == 0:
            in_parts(_pack_and_count, rows, labels, packed, mask, counts, threads)
        else:
            in_parts(_count, packed, shift, mask, counts, threads)
        counts_to_places(counts)
        in_parts(_scatter, packed, shift, mask, counts, spare, threads)
        packed, spare = spare, packed


def sort_by_row(rows, labels, row_bits, packed, spare):
    """Sort the positions of a batch by row, equal rows in batch order; returns `packed` or `spare`.

    `rows` is uint32 and below ``2**row_bits``; an entry of the result is ``row << 32 | label``
    (uint64), where `labels` (uint32) are those of the positions, or the positions if it is empty.
    Least significant digit first, each thread on its own stretch of the batch, so the result does
    not depend on the number of threads.
    """
    threads = threads_for(rows.size * NUMBERS_TO_SORT_AN_ID)
    passes = max(1, (row_bits + DIGIT_BITS - 1) // DIGIT_BITS)
    digit_bits = (row_bits + passes - 1) // passes
    counts = np.empty((threads, 1 << digit_bits), np.uint32)
    launch(_sort_by_row, threads, rows, labels, passes, digit_bits, packed, spare, counts)
    return spare if passes % 2 else packed
