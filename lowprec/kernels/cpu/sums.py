"""The gradients of the rows of a batch, each the sum of those of its positions."""

import numpy as np
from numba import types

from lowprec.formats.words import decode
from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH, in_blocks, prefetch_row, prefetch_row_near
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.search import first_at_least
from lowprec.kernels.gradients import LABEL, PIECE
from lowprec.scalar.bits import fma
from lowprec.scalar.internal import internal, overloaded

_FAR, _NEAR = np.uint64(24), np.uint64(6)  # gradients: from memory, from the second level
_ONE = np.uint64(1)


@internal(forceinline=True, **SERIAL)
def bag_at(gradients, entry):
    """The bag (int64) of an entry of a sorted batch: its row of `grad`."""
    label = np.uint32(entry & LABEL)
    return np.int64(gradients.bags[label] if gradients.bags.size else label)


@internal(forceinline=True, **SERIAL)
def is_one_gradient(segments, gradients, segment):
    """Whether the gradient of a row is that of one bag as it is."""
    count = segments.starts[segment + _ONE] - segments.starts[segment]
    return count == 1 and gradients.factors.size == 0


def one_gradient(gradients, bag, total):
    """The gradient of a bag as a flat float32 array, and where it begins: perhaps in `total`."""


@overloaded(one_gradient, forceinline=True, **SERIAL)
def _overload_one_gradient(gradients, bag, total):
    grad = gradients.types[gradients.fields.index("grad")]
    if grad.dtype == types.float32:
        return lambda gradients, bag, total: (gradients.grad, bag * gradients.grad.shape[1])

    def decoded(gradients, bag, total):
        columns = gradients.grad.shape[1]
        whole = in_blocks(columns)
        for column in range(0, whole, WIDTH):
            block = load(gradients.grad, bag * columns + column, WIDTH)
            store(decode(block), total, column)
        for column in range(whole, columns):
            store(decode(load(gradients.grad, bag * columns + column, 1)), total, column)
        return total, 0

    return decoded


@internal(forceinline=True, **SERIAL)
def prefetch_gradient(gradients, order, place):
    """Ask for the gradients that are due some entries of `order` after that at `place`."""
    last = np.uint64(order.size - 1)
    prefetch_row(gradients.grad, bag_at(gradients, order[min(place + _FAR, last)]))
    prefetch_row_near(gradients.grad, bag_at(gradients, order[min(place + _NEAR, last)]))


@internal(forceinline=True, **SERIAL)
def bag_of_one(segments, gradients, segment):
    """The bag whose gradient is that of a row, after those that are due later were asked for."""
    place = np.uint64(segments.starts[segment])
    prefetch_gradient(gradients, segments.order, place)
    return bag_at(gradients, segments.order[place])


@internal(forceinline=True, **SERIAL)
def _sum_columns(gradients, order, start, stop, columns, column, total):
    """Add some columns of each gradient in turn to `total`, a block or a number of zeros."""
    for i in range(start, stop):
        entry = order[i]
        term = decode(load(gradients.grad, bag_at(gradients, entry) * columns + column, total))
        if gradients.factors.size:
            total = fma(gradients.factors[np.uint32(entry & LABEL)], term, total)
        else:
            total = total + term
    return total


@internal(**SERIAL)
def _sum_gradients(gradients, order, start, stop, total):
    """total = the sum over ``order[start:stop]`` of coefficient * grad, in that order."""
    columns = total.size
    whole = in_blocks(columns)
    start, stop = np.uint64(start), np.uint64(stop)
    for i in range(start, stop):
        prefetch_gradient(gradients, order, i)
    for column in range(0, whole, WIDTH):
        block = zeros(total, WIDTH)
        block = _sum_columns(gradients, order, start, stop, columns, column, block)
        store(block, total, column)
    for column in range(whole, columns):
        number = zeros(total, 1)
        number = _sum_columns(gradients, order, start, stop, columns, column, number)
        store(number, total, column)


@internal(**SERIAL)
def _sum_piece(segments, gradients, piece):
    segment = first_at_least(segments.first_pieces, piece + 1) - 1
    start = np.uint32(segments.starts[segment] + (piece - segments.first_pieces[segment]) * PIECE)
    stop = np.uint32(min(np.int64(start) + PIECE, np.int64(segments.starts[segment + 1])))
    _sum_gradients(gradients, segments.order, start, stop, segments.pieces[piece])


@parallel
def _sum_pieces(segments, gradients, t, threads):
    pieces = segments.pieces.shape[0]
    for piece in range(t * pieces // threads, (t + 1) * pieces // threads):
        _sum_piece(segments, gradients, piece)


def sum_pieces(segments, gradients):
    """Fill ``segments.pieces``: the sums of the pieces of long segments, shared by all threads."""
    if len(segments.pieces):
        launch(_sum_pieces, threads_for(segments.pieces.size * PIECE), segments, gradients)


@internal(**SERIAL)
def sum_segment(segments, gradients, segment, total):
    """total = the gradient of the row of one segment."""
    start, stop = segments.starts[segment], segments.starts[segment + _ONE]
    if stop - start <= PIECE:
        _sum_gradients(gradients, segments.order, start, stop, total)
        return
    total[:] = np.float32(0.0)
    for piece in range(segments.first_pieces[segment], segments.first_pieces[segment + _ONE]):
        for c in range(total.size):
            total[c] += segments.pieces[piece, c]


@parallel
def _sum_segments(segments, gradients, sums, t, threads):
    count = segments.starts.size - 1
    for segment in range(t * count // threads, (t + 1) * count // threads):
        sum_segment(
            segments, gradients, np.uint64(segment), sums[np.int64(segments.starts[segment])]
        )


def sum_segments(segments, gradients, sums):
    """``sums[place]`` = the gradient of the row whose segment begins at a place of the order.

    The other places are left as they are.
    """
    launch(_sum_segments, threads_for(sums.size), segments, gradients, sums)
