"""The positions of a batch in buckets of neighbouring rows: enough order for rows of one number.

Rows of one bucket have a small table of sums that stays in the caches, so they need not be sorted,
nor their segments found: this takes one pass by the highest bits of the rows instead of all.
"""

from typing import NamedTuple

import numpy as np

from lowprec.kernels.cpu.memory import prefetch_numbers
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.parts import in_parts
from lowprec.kernels.cpu.search import first_at_least
from lowprec.kernels.cpu.segments import group_by_row
from lowprec.kernels.cpu.sort import counts_to_places
from lowprec.kernels.cpu.sums import bag_at, sum_pieces
from lowprec.kernels.gradients import LABEL, PIECE, ROW_SHIFT
from lowprec.scalar.bits import bits_as_float, float_as_bits, fma
from lowprec.scalar.internal import internal

_BITS_INSIDE = 12  # of a row within its bucket, so that 4096 sums fit into the first-level cache
# Each bucket takes some time, so a small batch has fewer of them: about 2**5 ids go into each.  A
# bucket then has more rows, and their sums need not fit into the first-level cache.
_BITS_OF_FEW, _MOST_INSIDE = 5, 14
_LEAST_BITS, _MOST_BITS = 6, 12  # of the number of a bucket: for all threads, and for the caches
_ONE = np.uint64(1)
_ZERO = np.float32(0.0)


class Unsorted(NamedTuple):
    """The ids of a batch as they come: its update puts them in buckets."""

    rows: np.ndarray  # (n,) uint32
    labels: np.ndarray  # (n,) uint32, or empty where the position is the label
    num_rows: int

    @property
    def ids(self):
        """How many there are."""
        return self.rows.size

    @property
    def pieces(self):
        """None: the gradients of a frequent row are added up with those of its bucket."""
        return ()


class Buckets(NamedTuple):
    """The ids of a batch by bucket: bucket b has the rows from ``b << shift`` on."""

    # (n,) uint32 where that is enough, or uint64: row within the bucket << label_bits | label, in
    # batch order within a bucket
    order: np.ndarray
    bounds: np.ndarray  # (buckets + 1,) uint32: where in `order` each begins
    shift: np.uint64
    label_bits: np.uint64


def empty_buckets(unsorted, num_labels, threads, scratch):
    """Room for what `put_in_buckets` finds, and for the counts (threads, buckets) it needs.

    Labels are below `num_labels`, or below the number of ids where they are positions.
    """
    bits = (unsorted.num_rows - 1).bit_length()
    shift = max(0, bits - min(max(bits - _BITS_INSIDE, _LEAST_BITS), _MOST_BITS))
    few = max(_LEAST_BITS, unsorted.ids.bit_length() - _BITS_OF_FEW)
    shift = max(shift, min(bits - few, _MOST_INSIDE))
    count = ((unsorted.num_rows - 1) >> shift) + 1
    counts = scratch.empty("counts_of_buckets", (threads, count), np.uint32)
    bounds = scratch.empty("bounds_of_buckets", (count + 1,), np.uint32)
    label_bits = (num_labels if unsorted.labels.size else unsorted.ids).bit_length()
    narrow = shift + label_bits <= 32
    of_width = ("narrow_order", np.uint32) if narrow else ("wide_order", np.uint64)
    order = scratch.empty(of_width[0], (unsorted.ids,), of_width[1])
    return Buckets(order, bounds, np.uint64(shift), np.uint64(label_bits)), counts


@internal(**SERIAL)
def _count(rows, shift, counts, part, parts):
    start, stop = part * rows.size // parts, (part + 1) * rows.size // parts
    counts = counts[part]
    counts[:] = np.uint32(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        counts[np.uint64(rows[i]) >> shift] += np.uint32(1)


@internal(**SERIAL)
def _scatter(rows, labels, shift, label_bits, places, order, part, parts):
    mask = (_ONE << shift) - _ONE
    start, stop = part * rows.size // parts, (part + 1) * rows.size // parts
    places = places[part]
    for i in range(np.uint64(start), np.uint64(stop)):
        row = np.uint64(rows[i])
        place = places[row >> shift]
        order[place] = ((row & mask) << label_bits) | (np.uint64(labels[i]) if labels.size else i)
        places[row >> shift] = place + np.uint32(1)


@internal(**SERIAL)
def put_in_buckets(rows, labels, buckets, counts, threads):
    """Fill `empty_buckets` with the positions of a batch."""
    shift, bounds = buckets.shift, buckets.bounds
    in_parts(_count, rows, shift, counts, threads)
    counts_to_places(counts)
    for bucket in range(bounds.size - 1):
        bounds[bucket] = counts[0, bucket]
    bounds[bounds.size - 1] = rows.size
    in_parts(_scatter, rows, labels, shift, buckets.label_bits, counts, buckets.order, threads)


@internal(forceinline=True, **SERIAL)
def first_bucket(bounds, part, parts):
    """The first bucket of a part of the batch; all parts have about as many ids."""
    if part == parts:
        return bounds.size - 1
    return first_at_least(bounds, np.int64(bounds[bounds.size - 1]) * part // parts)


class Sums(NamedTuple):
    """The rows of a batch, each once, with the sums of their gradients, and what adds these up."""

    rows: np.ndarray  # (n + more,) uint32: those of a bucket from its place in the batch on
    sums: np.ndarray  # (n + more,) float32
    # Of the rows of a bucket, for each thread: how many gradients a row has so far with the sum of
    # its last piece (uint64), and the sum of its pieces before (float32).  They are zeros, and
    # zeros again at the end.
    held: np.ndarray
    totals: np.ndarray


def empty_sums(buckets, threads, more, scratch):
    """Room for what `sum_bucket` finds, and for more numbers behind it."""
    ids, inside = buckets.order.size, 1 << int(buckets.shift)
    return Sums(
        scratch.empty("rows_of_buckets", (ids + more,), np.uint32),
        scratch.empty("sums_of_buckets", (ids + more,), np.float32),
        scratch.zeros("held", (threads, inside), np.uint64),
        scratch.zeros("totals", (threads, inside), np.float32),
    )


@internal(forceinline=True, **SERIAL)
def sum_bucket(buckets, gradients, bucket, found, part, end, arrays):
    """The rows of a bucket, each once, and their gradients, as `sum_segment` has them.

    They are written to `found` from the place `end` on; returns behind the last of them.  Their
    numbers in `arrays` are asked for.
    """
    rows, sums, held, totals = found.rows, found.sums, found.held[part], found.totals[part]
    order, bounds, label_bits = buckets.order, buckets.bounds, buckets.label_bits
    mask, label_mask = (_ONE << buckets.shift) - _ONE, (_ONE << label_bits) - _ONE
    first_row, begin = np.uint64(bucket) << buckets.shift, end
    for i in range(np.uint64(bounds[bucket]), np.uint64(bounds[bucket + 1])):
        entry = np.uint64(order[i])
        inside, label = entry >> label_bits, entry & label_mask
        prefetch_numbers(arrays, np.int64(first_row + inside))
        before = held[inside]
        # overwritten if it was there, which is faster than a branch
        rows[end] = np.uint32(first_row + inside)
        end += np.uint64(before == np.uint64(0))
        total = bits_as_float(np.uint32(before & LABEL))
        term = gradients.grad[bag_at(gradients, label), 0]
        if gradients.factors.size:
            total = fma(gradients.factors[label], term, total)
        else:
            total += term
        count = (before >> ROW_SHIFT) + _ONE
        if count & np.uint64(PIECE - 1) == np.uint64(0):
            totals[inside] += total
            total = _ZERO
        held[inside] = (count << ROW_SHIFT) | np.uint64(float_as_bits(total))
    for place in range(begin, end):
        inside = np.uint64(rows[place]) & mask
        last_piece = held[inside]
        total = bits_as_float(np.uint32(last_piece & LABEL))
        if (last_piece >> ROW_SHIFT) >= np.uint64(PIECE):
            total = totals[inside] + total
            totals[inside] = _ZERO
        sums[place] = total
        held[inside] = np.uint64(0)
    return end


def segments_of(groups, gradients, scratch):
    """The segments of a batch that was grouped to be updated, with the sums of long ones."""
    if not isinstance(groups, Unsorted):
        return groups
    segments = group_by_row(groups.rows, groups.labels, groups.num_rows, 1, scratch)
    sum_pieces(segments, gradients)
    return segments
