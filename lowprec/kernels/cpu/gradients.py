"""The gradients of the rows of a batch: what each one is the sum of, and whether it is finite."""

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.prefetch import prefetch_row
from lowprec.kernels.cpu.search import first_at_least
from lowprec.kernels.cpu.sort import POSITION, ROW_SHIFT
from lowprec.scalar.bits import float_as_bits, fma
from lowprec.scalar.updates import PIECE

GRADIENTS_AHEAD = 8
_EXPONENT = np.uint32(0x7F800000)


class Runs(NamedTuple):
    """The ids of a batch, grouped by row: what `sort` made."""

    order: np.ndarray  # (n,) uint64: row << 32 | position, sorted
    starts: np.ndarray  # (runs + 1,) int64
    first_pieces: np.ndarray  # (runs + 1,) int64
    pieces: np.ndarray  # (pieces, embedding_dim) float32: the sums of long runs, by `sum_pieces`


class Gradients(NamedTuple):
    """What each position of a batch adds to the gradient of its row."""

    grad: np.ndarray  # (bags, embedding_dim) float32
    bags: np.ndarray  # (n,) uint32, the bag of a position; empty where that is the position
    coefficients: np.ndarray  # (n,) float32, the factor of a position; empty for ones


@njit(forceinline=True, **SERIAL)
def row_of_run(runs, run):
    """The row (uint64) that a run is about."""
    return runs.order[runs.starts[run]] >> ROW_SHIFT


@njit(forceinline=True, **SERIAL)
def _bag_at(gradients, entry):
    position = np.int64(entry & POSITION)
    return np.int64(gradients.bags[position]) if gradients.bags.size else position


@njit(forceinline=True, **SERIAL)
def _sum_gradients(gradients, order, start, stop, total):
    """total = the sum over ``order[start:stop]`` of coefficient * grad, in that order."""
    for c in range(total.size):
        total[c] = np.float32(0.0)
    for i in range(start, stop):
        ahead = order[min(i + GRADIENTS_AHEAD, order.size - 1)]
        prefetch_row(gradients.grad, _bag_at(gradients, ahead))
        term = gradients.grad[_bag_at(gradients, order[i])]
        if gradients.coefficients.size:
            coefficient = gradients.coefficients[order[i] & POSITION]
            for c in range(total.size):
                total[c] = fma(coefficient, term[c], total[c])
        else:
            for c in range(total.size):
                total[c] += term[c]


@njit(**PARALLEL)
def sum_pieces(runs, gradients):
    """Fill ``runs.pieces``: the sums of the pieces of long runs, shared by all threads."""
    for piece in prange(runs.pieces.shape[0]):
        run = first_at_least(runs.first_pieces, piece + 1) - 1
        start = runs.starts[run] + (piece - runs.first_pieces[run]) * PIECE
        stop = min(start + PIECE, runs.starts[run + 1])
        _sum_gradients(gradients, runs.order, start, stop, runs.pieces[piece])


@njit(forceinline=True, **SERIAL)
def sum_run(runs, gradients, run, total):
    """total = the gradient of the row of one run."""
    first, last = runs.first_pieces[run], runs.first_pieces[run + 1]
    if first == last:
        _sum_gradients(gradients, runs.order, runs.starts[run], runs.starts[run + 1], total)
        return
    for c in range(total.size):
        total[c] = np.float32(0.0)
    for piece in range(first, last):
        for c in range(total.size):
            total[c] += runs.pieces[piece, c]


@njit(forceinline=True, **SERIAL)
def is_finite(values, factor):
    """Whether every ``factor * value`` is finite."""
    for c in range(values.size):
        if float_as_bits(np.float32(values[c] * factor)) & _EXPONENT == _EXPONENT:
            return False
    return True


@njit(**PARALLEL)
def count_nonfinite_rows(runs, gradients, learning_rate):
    """How many rows of the batch have a step that is not finite."""
    count = 0
    for run in prange(runs.starts.size - 1):
        values = np.empty(gradients.grad.shape[1], np.float32)
        sum_run(runs, gradients, run, values)
        if not is_finite(values, learning_rate):
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
def largest_magnitude_bits(x, largest):
    """The largest ``abs(x)`` of each thread's part of 1-D float32 `x`, as float32 bits.

    Bits order as magnitudes do, inf above all finite ones and NaN above inf.
    """
    threads = largest.size
    for t in prange(threads):
        largest[t] = _largest_magnitude_bits(x[t * x.size // threads : (t + 1) * x.size // threads])
