"""The gradients of the rows of a batch: what each one is the sum of, and whether it is finite."""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit, prange

from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cache import cached
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH, in_blocks, prefetch_row
from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.search import first_at_least
from lowprec.kernels.gradients import LABEL, PIECE, ROW_SHIFT
from lowprec.scalar.bits import fma
from lowprec.scalar.finite import is_within, magnitude_bits

_GRADIENTS_AHEAD = np.uint64(8)
_ONE = np.uint64(1)
_INF = np.uint32(0x7F800000)


@njit(forceinline=True, **SERIAL)
def bag_at(gradients, entry):
    """The bag (int64) of an entry of a sorted batch: its row of `grad`."""
    label = np.uint32(entry & LABEL)
    return np.int64(gradients.bags[label] if gradients.bags.size else label)


@njit(forceinline=True, **SERIAL)
def is_one_gradient(runs, gradients, run):
    """Whether the gradient of a row is that of one bag as it is."""
    count = runs.starts[run + _ONE] - runs.starts[run]
    return count == 1 and gradients.coefficients.size == 0


@njit(forceinline=True, **SERIAL)
def prefetch_gradient(gradients, order, place):
    """Ask for the gradient that is due a few entries of `order` after that at `place`."""
    ahead = min(place + _GRADIENTS_AHEAD, np.uint64(order.size - 1))
    prefetch_row(gradients.grad, bag_at(gradients, order[ahead]))


@njit(forceinline=True, **SERIAL)
def _add_columns(gradients, entry, first, column, total, like):
    """Add the columns of one gradient, as many as `like`, to those of `total`."""
    so_far = load(total, column, like)
    term = load(gradients.grad, first + column, like)
    if gradients.coefficients.size:
        coefficient = gradients.coefficients[np.uint32(entry & LABEL)]
        store(fma(coefficient, term, so_far), total, column)
    else:
        store(so_far + term, total, column)


@njit(**SERIAL)
def _sum_gradients(gradients, order, start, stop, total):
    """total = the sum over ``order[start:stop]`` of coefficient * grad, in that order."""
    columns = total.size
    whole = in_blocks(columns)
    for c in range(columns):
        total[c] = np.float32(0.0)
    for i in range(np.uint64(start), np.uint64(stop)):
        prefetch_gradient(gradients, order, i)
        entry = order[i]
        first = bag_at(gradients, entry) * columns
        for column in range(0, whole, WIDTH):
            _add_columns(gradients, entry, first, column, total, zeros(total, WIDTH))
        for column in range(whole, columns):
            _add_columns(gradients, entry, first, column, total, np.float32(0.0))


@njit(**SERIAL)
def _sum_piece(runs, gradients, piece):
    run = first_at_least(runs.first_pieces, piece + 1) - 1
    start = np.uint32(runs.starts[run] + (piece - runs.first_pieces[run]) * PIECE)
    stop = np.uint32(min(np.int64(start) + PIECE, np.int64(runs.starts[run + 1])))
    _sum_gradients(gradients, runs.order, start, stop, runs.pieces[piece])


@cached
@njit(**PARALLEL)
def _sum_pieces(runs, gradients, threads):
    pieces = runs.pieces.shape[0]
    for t in prange(threads):
        for piece in range(t * pieces // threads, (t + 1) * pieces // threads):
            _sum_piece(runs, gradients, piece)


def sum_pieces(runs, gradients):
    """Fill ``runs.pieces``: the sums of the pieces of long runs, shared by all threads."""
    if len(runs.pieces):
        launch(_sum_pieces, threads_for(runs.pieces.size * PIECE), runs, gradients)


@njit(**SERIAL)
def sum_run(runs, gradients, run, total):
    """total = the gradient of the row of one run."""
    start, stop = runs.starts[run], runs.starts[run + _ONE]
    if stop - start <= PIECE:
        _sum_gradients(gradients, runs.order, start, stop, total)
        return
    total[:] = np.float32(0.0)
    for piece in range(runs.first_pieces[run], runs.first_pieces[run + _ONE]):
        for c in range(total.size):
            total[c] += runs.pieces[piece, c]


@cached
@njit(**PARALLEL)
def _sum_runs(runs, gradients, sums, threads):
    count = runs.starts.size - 1
    for t in prange(threads):
        for run in range(t * count // threads, (t + 1) * count // threads):
            sum_run(runs, gradients, np.uint64(run), sums[np.int64(runs.starts[run])])


def sum_runs(runs, gradients, sums):
    """``sums[place]`` = the gradient of the row whose run begins at a place of the sorted batch.

    The other places are left as they are.
    """
    launch(_sum_runs, threads_for(sums.size), runs, gradients, sums)


@njit(**SERIAL)
def sum_runs_of_one_column(runs, gradients, first, count, rows, sums):
    """The rows of up to WIDTH runs and their gradients of one column, as `sum_run` gives them."""
    store(zeros(sums, WIDTH), sums, 0)
    start = np.uint64(runs.starts[first])
    slot, previous = np.uint64(0), runs.order[start]
    for i in range(start, np.uint64(runs.starts[first + count])):
        entry = runs.order[i]
        # without a branch, since where a run ends is hard to predict
        slot += np.uint64(((entry ^ previous) >> ROW_SHIFT) != np.uint64(0))
        previous = entry
        rows[slot] = np.int64(entry >> ROW_SHIFT)
        term = load(gradients.grad, bag_at(gradients, entry), 1)
        if gradients.coefficients.size:
            sums[slot] = fma(gradients.coefficients[np.uint32(entry & LABEL)], term, sums[slot])
        else:
            sums[slot] += term
    if runs.first_pieces[first] == runs.first_pieces[first + count]:
        return
    for place in range(count):
        run = first + place
        if runs.first_pieces[run] < runs.first_pieces[run + _ONE]:
            total = np.float32(0.0)
            for piece in range(runs.first_pieces[run], runs.first_pieces[run + _ONE]):
                total += runs.pieces[piece, 0]
            sums[place] = total


@njit(**SERIAL)
def are_within(values, limit):
    """Whether all sizes are at most the float32 `limit`, and none is NaN."""
    within = True
    for c in range(values.size):
        within &= is_within(values[c], limit)
    return within


@njit(**SERIAL)
def _rows_beyond_in_range(runs, gradients, limit, values, first, last):
    count = 0
    for run in range(np.uint64(first), np.uint64(last)):
        sum_run(runs, gradients, run, values)
        if not are_within(values, limit):
            count += 1
    return count


@cached
@njit(**PARALLEL)
def _count_rows_beyond(runs, gradients, limit, totals, counts, threads):
    rows = runs.starts.size - 1
    for t in prange(threads):
        first, last = t * rows // threads, (t + 1) * rows // threads
        counts[t] = _rows_beyond_in_range(runs, gradients, limit, totals[t], first, last)


def _rows_beyond(runs, gradients, limit, memory):
    """How many rows of the batch have a gradient beyond `limit`."""
    threads = threads_for(gradients.grad.size)
    totals = memory.empty("totals", (threads, gradients.grad.shape[1]), np.float32)
    counts = np.zeros(threads, np.int64)
    launch(_count_rows_beyond, threads, runs, gradients, limit, totals, counts)
    return int(counts.sum())


@njit(**SERIAL)
def _largest_magnitude(x):
    most = np.uint32(0)
    for i in range(x.size):
        bits = magnitude_bits(x[i])
        most = bits if bits > most else most
    return most


@cached
@njit(**PARALLEL)
def _largest_magnitudes(x, largest, threads):
    """The largest ``abs(x)`` of each thread's part of 1-D float32 `x`, as float32 bits.

    Bits order as magnitudes do, inf above all finite ones and NaN above inf.
    """
    for t in prange(threads):
        largest[t] = _largest_magnitude(x[t * x.size // threads : (t + 1) * x.size // threads])


@dataclass(frozen=True)
class Verdict:
    """Whether the gradients of a batch are within a limit, so that their steps are finite."""

    guard: bool  # some might not be: rows have to be looked at one by one, and bad ones skipped
    refused: bool  # nothing may be written
    bad_rows: int  # how many rows have a gradient beyond; counted where that is refused


def judge(runs, gradients, limit, refuse, halted, memory):
    """Whether all gradients are within the float32 `limit`; with `refuse`, nothing is to be written
    unless they are.

    What must not be written may have been `halted` (1,) before, and is halted there from now on;
    None begins anew.
    """
    verdict = _judge(runs, gradients, limit, refuse, memory)
    if halted is not None:
        halted[0] |= verdict.refused
        verdict = replace(verdict, refused=bool(halted[0]))
    return verdict


def _judge(runs, gradients, limit, refuse, memory):
    threads = threads_for(gradients.grad.size)
    largest = np.zeros(threads, np.uint32)
    launch(_largest_magnitudes, threads, gradients.grad.reshape(-1), largest)
    bits = largest.max()
    if bits < _INF:
        factor = float(np.abs(gradients.coefficients).max(initial=1.0))
        bound = float(bits.view(np.float32)) * factor * runs.order.size
        if bound < float(limit):
            return Verdict(guard=False, refused=False, bad_rows=0)
    if not refuse:
        return Verdict(guard=True, refused=False, bad_rows=0)
    bad_rows = _rows_beyond(runs, gradients, limit, memory)
    return Verdict(guard=False, refused=bool(bits >= _INF) or bad_rows > 0, bad_rows=bad_rows)
