"""The gradients of the rows of a batch: what each one is the sum of, and whether it is finite."""

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.memory import WIDTH, load, prefetch_row, store, zeros
from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.search import first_at_least
from lowprec.kernels.cpu.sort import POSITION, ROW_SHIFT
from lowprec.scalar.bits import float_as_bits, fma, u32
from lowprec.scalar.lanes import any_lane
from lowprec.scalar.updates import PIECE

GRADIENTS_AHEAD = 8
_ABS, _INF = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000)


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
def prefetch_gradients(runs, gradients, run):
    """Ask for the gradients that lie as far ahead as those of `run` are many."""
    ahead = runs.starts[run] + GRADIENTS_AHEAD
    count = runs.starts[run + 1] - runs.starts[run]
    for i in range(ahead, min(ahead + count, runs.order.size)):
        prefetch_row(gradients.grad, _bag_at(gradients, runs.order[i]))


@njit(forceinline=True, **SERIAL)
def _sum_gradients(gradients, order, start, stop, column, count):
    """The sum over ``order[start:stop]`` of coefficient * grad, in that order."""
    columns = gradients.grad.shape[1]
    total = zeros(gradients.grad)
    for i in range(start, stop):
        term = load(gradients.grad, _bag_at(gradients, order[i]) * columns + column, count)
        if gradients.coefficients.size:
            total = fma(gradients.coefficients[order[i] & POSITION], term, total)
        else:
            total = total + term
    return total


@njit(**PARALLEL)
def sum_pieces(runs, gradients):
    """Fill ``runs.pieces``: the sums of the pieces of long runs, shared by all threads."""
    columns = gradients.grad.shape[1]
    for piece in prange(runs.pieces.shape[0]):
        run = first_at_least(runs.first_pieces, piece + 1) - 1
        start = runs.starts[run] + (piece - runs.first_pieces[run]) * PIECE
        stop = min(start + PIECE, runs.starts[run + 1])
        for column in range(0, columns, WIDTH):
            count = min(WIDTH, columns - column)
            total = _sum_gradients(gradients, runs.order, start, stop, column, count)
            store(total, runs.pieces, piece * columns + column, count)


@njit(forceinline=True, **SERIAL)
def sum_run(runs, gradients, run, column, count):
    """The gradient of the row of one run: a block of `count` columns."""
    first, last = runs.first_pieces[run], runs.first_pieces[run + 1]
    start, stop = runs.starts[run], runs.starts[run + 1]
    if first == last:
        return _sum_gradients(gradients, runs.order, start, stop, column, count)
    total = zeros(gradients.grad)
    for piece in range(first, last):
        total = total + load(runs.pieces, piece * gradients.grad.shape[1] + column, count)
    return total


@njit(**SERIAL)
def is_finite(runs, gradients, run, factor):
    """Whether every number of a row's gradient is finite when multiplied by `factor`."""
    columns = gradients.grad.shape[1]
    for column in range(0, columns, WIDTH):
        total = sum_run(runs, gradients, run, column, min(WIDTH, columns - column))
        if any_lane(u32(float_as_bits(total * factor) & _ABS) >= _INF):
            return False
    return True


@njit(**PARALLEL)
def count_nonfinite_rows(runs, gradients, learning_rate):
    """How many rows of the batch have a step that is not finite."""
    count = 0
    for run in prange(runs.starts.size - 1):
        if not is_finite(runs, gradients, run, learning_rate):
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
