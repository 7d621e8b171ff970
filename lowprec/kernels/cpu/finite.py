"""Whether numbers are finite: any, or the gradients of a batch and the steps by them."""

import math
from dataclasses import dataclass, replace

import numpy as np

from lowprec.kernels.cpu.addresses import address_as, rows_at
from lowprec.kernels.cpu.buckets import segments_of
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.sums import sum_segment
from lowprec.scalar.finite import is_within, magnitude_bits
from lowprec.scalar.internal import internal

_LARGEST = np.finfo(np.float32).max


@internal(**SERIAL)
def are_within(values, limit):
    """Whether all sizes are at most the float32 `limit`, and none is NaN."""
    within = True
    for c in range(values.size):
        within &= is_within(values[c], limit)
    return within


@internal(**SERIAL)
def _share_is_within(values, part, parts):
    share = values[part * values.size // parts : (part + 1) * values.size // parts]
    return are_within(share, _LARGEST)


@parallel
def _note_nonfinite(outputs, arrays, diverged, t, threads):
    finite = _share_is_within(outputs, t, threads)
    for each in range(len(arrays)):
        array = rows_at(arrays[each, 0], 0, 1, arrays[each, 1], np.float32)
        finite &= _share_is_within(array[0], t, threads)
    if not finite:
        diverged[0] = True


def note_nonfinite(outputs, gradients, diverged, scratch):
    """Set `diverged` (1,) if a number of float32 `outputs` (B,) or `gradients` is not finite."""
    table, numbers = scratch.made_of("gradients", gradients, None, lambda: _table(gradients))
    threads = threads_for(outputs.size + numbers)
    launch(_note_nonfinite, threads, outputs, table, diverged)


def _table(arrays):
    """The address and the size of each array, and all their sizes together."""
    lines = [(address_as(np.float32, array), array.size) for array in arrays]
    return np.array(lines, np.int64).reshape(-1, 2), sum(array.size for array in arrays)


@internal(**SERIAL)
def _rows_beyond_in_range(segments, gradients, limit, values, first, last):
    count = 0
    for segment in range(np.uint64(first), np.uint64(last)):
        sum_segment(segments, gradients, segment, values)
        if not are_within(values, limit):
            count += 1
    return count


@parallel
def _count_rows_beyond(segments, gradients, limit, totals, counts, t, threads):
    rows = segments.starts.size - 1
    first, last = t * rows // threads, (t + 1) * rows // threads
    counts[t] = _rows_beyond_in_range(segments, gradients, limit, totals[t], first, last)


def _rows_beyond(segments, gradients, limit, scratch):
    """How many rows of the batch have a gradient beyond `limit`."""
    threads = threads_for(gradients.grad.size)
    totals = scratch.empty("totals", (threads, gradients.grad.shape[1]), np.float32)
    counts = np.zeros(threads, np.int64)
    launch(_count_rows_beyond, threads, segments, gradients, limit, totals, counts)
    return sum(counts.tolist())


@internal(**SERIAL)
def largest_magnitude(x):
    """The largest ``abs(x)`` of 1-D float32 `x`, as its bits."""
    most = np.uint32(0)
    for i in range(x.size):
        bits = magnitude_bits(x[i])
        most = bits if bits > most else most
    return most


@parallel
def _largest_magnitudes(x, largest, t, threads):
    """The largest ``abs(x)`` of each thread's part of 1-D float32 `x`, as float32 bits.

    Bits order as magnitudes do, inf above all finite ones and NaN above inf.
    """
    largest[t] = largest_magnitude(x[t * x.size // threads : (t + 1) * x.size // threads])


@dataclass(frozen=True)
class StepCheck:
    """Whether the gradients of a batch are within a limit, so that their steps are finite."""

    guard: bool  # some might not be: rows are checked one by one, and bad ones skipped
    refused: bool  # nothing may be written
    bad_rows: int  # how many rows have a gradient beyond; counted where that is refused


def check_steps(groups, gradients, limit, refuse, diverged, scratch, largest=None):
    """Whether all gradients are within the float32 `limit`; with `refuse`, nothing is to be written
    unless they are.

    `diverged` (1,) says that nothing may be written any more, and is set where nothing may be;
    None begins anew.  `largest` is the largest magnitude of a gradient, or above; it is found if it
    is not given.
    """
    if largest is None:
        largest = _largest_gradient(gradients.grad)
    check = _check_steps(groups, gradients, limit, refuse, largest, scratch)
    if diverged is None:
        return check
    if diverged[0]:
        return replace(check, refused=True)
    diverged[0] = check.refused
    return check


def _largest_gradient(grad):
    threads = threads_for(grad.size)
    largest = np.empty(threads, np.uint32)
    launch(_largest_magnitudes, threads, grad.reshape(-1), largest)
    return np.uint32(max(largest.tolist())).view(np.float32)


def _check_steps(groups, gradients, limit, refuse, largest, scratch):
    most = float(largest)
    finite = math.isfinite(most)
    if finite:
        factors = gradients.factors
        factor = float(np.abs(factors).max(initial=1.0)) if factors.size else 1.0
        if most * factor * groups.ids < float(limit):
            return StepCheck(guard=False, refused=False, bad_rows=0)
    if not refuse:
        return StepCheck(guard=True, refused=False, bad_rows=0)
    segments = segments_of(groups, gradients, scratch)
    bad_rows = _rows_beyond(segments, gradients, limit, scratch)
    return StepCheck(guard=False, refused=not finite or bad_rows > 0, bad_rows=bad_rows)
