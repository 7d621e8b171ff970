"""Updating a table: each row of the batch is summed, stepped, rounded and stored by one owner."""

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.prefetch import prefetch_row
from lowprec.kernels.cpu.rows import store_nearest, store_stochastic
from lowprec.scalar.bits import fma, float_as_bits
from lowprec.scalar.formats import decode
from lowprec.scalar.updates import PIECE, sgd
from lowprec.scalar.xorshift import derive

ROWS_AHEAD = 24
GRADIENTS_AHEAD = 8
_POSITION = np.uint64(0xFFFFFFFF)
_ROW_SHIFT = np.uint64(32)
_EXPONENT = np.uint32(0x7F800000)


class Runs(NamedTuple):
    """The ids of a batch, grouped by row: what `sort` made."""

    order: np.ndarray  # (n,) uint64: row << 32 | position, sorted
    starts: np.ndarray  # (runs + 1,) int64
    first_pieces: np.ndarray  # (runs + 1,) int64
    pieces: np.ndarray  # (pieces, embedding_dim) float32: room for the sums of long runs


class Gradients(NamedTuple):
    """What each position of a batch adds to the gradient of its row."""

    grad: np.ndarray  # (bags, embedding_dim) float32
    bags: np.ndarray  # (n,) uint32, the bag of a position; empty where that is the position
    coefficients: np.ndarray  # (n,) float32, the factor of a position; empty for ones


@njit(forceinline=True, **SERIAL)
def _bag_at(gradients, entry):
    position = np.int64(entry & _POSITION)
    return np.int64(gradients.bags[position]) if gradients.bags.size else position


@njit(forceinline=True, **SERIAL)
def _sum_gradients(gradients, order, start, stop, total):
    """total = the sum over ``order[start:stop]`` of coefficient * grad, in that order."""
    total[:] = np.float32(0.0)
    for i in range(start, stop):
        ahead = order[min(i + GRADIENTS_AHEAD, order.size - 1)]
        prefetch_row(gradients.grad, _bag_at(gradients, ahead))
        term = gradients.grad[_bag_at(gradients, order[i])]
        if gradients.coefficients.size:
            coefficient = gradients.coefficients[order[i] & _POSITION]
            for c in range(total.size):
                total[c] = fma(coefficient, term[c], total[c])
        else:
            for c in range(total.size):
                total[c] += term[c]


@njit(**PARALLEL)
def _sum_pieces(runs, gradients):
    """The sums of the pieces of long runs, shared by all threads."""
    for piece in prange(runs.pieces.shape[0]):
        run = np.searchsorted(runs.first_pieces, piece, side="right") - 1
        start = runs.starts[run] + (piece - runs.first_pieces[run]) * PIECE
        stop = min(start + PIECE, runs.starts[run + 1])
        _sum_gradients(gradients, runs.order, start, stop, runs.pieces[piece])


@njit(forceinline=True, **SERIAL)
def _sum_run(runs, gradients, run, total):
    """total = the gradient of the row of one run."""
    first, last = runs.first_pieces[run], runs.first_pieces[run + 1]
    if first == last:
        _sum_gradients(gradients, runs.order, runs.starts[run], runs.starts[run + 1], total)
        return
    total[:] = np.float32(0.0)
    for piece in range(first, last):
        for c in range(total.size):
            total[c] += runs.pieces[piece, c]


@njit(forceinline=True, **SERIAL)
def _is_finite(values, factor):
    """Whether every ``factor * value`` is finite."""
    for c in range(values.size):
        if float_as_bits(np.float32(values[c] * factor)) & _EXPONENT == _EXPONENT:
            return False
    return True


@njit(**SERIAL)
def _share(starts, part, parts):
    """The first run of a part of the batch; a run costs its ids and, for its row, two more."""
    runs = starts.size - 1
    goal = (starts[runs] + 2 * runs) * part // parts
    low, high = 0, runs
    while low < high:
        middle = (low + high) // 2
        if starts[middle] + 2 * middle < goal:
            low = middle + 1
        else:
            high = middle
    return low


@njit(**SERIAL)
def _sgd_range(
    weight, runs, gradients, learning_rate, key, stochastic, guard, first, last, values, words
):
    skipped = 0
    for run in range(first, last):
        ahead = runs.order[runs.starts[min(run + ROWS_AHEAD, last - 1)]]
        prefetch_row(weight, np.int64(ahead >> _ROW_SHIFT))
        _sum_run(runs, gradients, run, values)
        if guard and not _is_finite(values, learning_rate):
            skipped += 1
            continue
        index = runs.order[runs.starts[run]] >> _ROW_SHIFT
        row = weight[index]
        for c in range(values.size):
            values[c] = sgd(decode(row[c]), values[c], learning_rate)
        if stochastic:
            store_stochastic(values, derive(key, index), words, row)
        else:
            store_nearest(values, row)
    return skipped


@njit(**PARALLEL)
def update_sgd(weight, runs, gradients, learning_rate, key, stochastic, guard, threads):
    """One SGD step on every row of the batch; returns how many rows were left as they are.

    With `guard`, rows whose step is not finite are left as they are.
    """
    _sum_pieces(runs, gradients)
    chunks = threads
    skipped = np.zeros(chunks, np.int64)
    for t in prange(chunks):
        first, last = _share(runs.starts, t, chunks), _share(runs.starts, t + 1, chunks)
        if t == chunks - 1:
            last = runs.starts.size - 1
        values = np.empty(weight.shape[1], np.float32)
        words = np.empty(weight.shape[1], np.uint32)
        skipped[t] = _sgd_range(
            weight,
            runs,
            gradients,
            learning_rate,
            key,
            stochastic,
            guard,
            first,
            last,
            values,
            words,
        )
    return skipped.sum()


@njit(**PARALLEL)
def count_nonfinite_rows(runs, gradients, learning_rate):
    """How many rows of the batch have a step that is not finite; writes nothing."""
    _sum_pieces(runs, gradients)
    count = 0
    for run in prange(runs.starts.size - 1):
        values = np.empty(gradients.grad.shape[1], np.float32)
        _sum_run(runs, gradients, run, values)
        if not _is_finite(values, learning_rate):
            count += 1
    return count


@njit(**SERIAL)
def _largest_magnitude_bits(x):
    most = np.uint32(0)
    for i in range(x.size):
        bits = np.uint32(float_as_bits(x[i]) & np.uint32(0x7FFFFFFF))
        most = bits if bits > most else most
    return most


@njit(**PARALLEL)
def largest_magnitude_bits(x, threads):
    """The largest ``abs(x)`` of 1-D float32 `x`, as float32 bits: NaN above inf above finite."""
    chunks = threads
    largest = np.zeros(chunks, np.uint32)
    for t in prange(chunks):
        largest[t] = _largest_magnitude_bits(x[t * x.size // chunks : (t + 1) * x.size // chunks])
    return largest.max()
