"""Reading a table: rows decoded to float32, one a bag or pooled."""

import numpy as np

from lowprec.formats.words import decode
from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import NUMBERS_TO_FIND_A_ROW, launch, threads_for
from lowprec.kernels.cpu.memory import (
    STREAM_BYTES,
    WIDTH,
    end_of_stream,
    in_blocks,
    prefetch_number,
    prefetch_row,
    stream,
)
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.search import part_of_bags
from lowprec.scalar.bits import fma
from lowprec.scalar.internal import internal

ROWS_AHEAD = 40
_STREAMED_BYTES = 1 << 24


@internal(**SERIAL)
def _gather_range(weight, rows, out, start, stop):
    columns = weight.shape[1]
    whole = in_blocks(columns)
    for i in range(start, stop):
        prefetch_row(weight, np.int64(rows[min(i + ROWS_AHEAD, stop - 1)]))
        row = np.int64(rows[i])
        for column in range(0, whole, WIDTH):
            block = load(weight, row * columns + column, WIDTH)
            store(decode(block), out, i * columns + column)
        for column in range(whole, columns):
            store(decode(load(weight, row * columns + column, 1)), out, i * columns + column)


@internal(**SERIAL)
def _gather_range_streamed(weight, rows, out, start, stop):
    columns = weight.shape[1]
    for i in range(start, stop):
        prefetch_row(weight, np.int64(rows[min(i + ROWS_AHEAD, stop - 1)]))
        row = np.int64(rows[i])
        for column in range(0, columns, WIDTH):
            block = load(weight, row * columns + column, WIDTH)
            stream(decode(block), out, i * columns + column)
    end_of_stream()


@parallel
def _gather(weight, rows, out, streamed, t, threads):
    start, stop = t * rows.size // threads, (t + 1) * rows.size // threads
    if streamed:
        _gather_range_streamed(weight, rows, out, start, stop)
    else:
        _gather_range(weight, rows, out, start, stop)


def _is_streamed(out):
    """Whether an output is too large to be found in cache later, and can be streamed."""
    if out.nbytes < _STREAMED_BYTES or out.shape[1] % WIDTH:
        return False
    return out.ctypes.data % STREAM_BYTES == 0


def _threads(weight, rows):
    return threads_for(rows.size * (weight.shape[1] + NUMBERS_TO_FIND_A_ROW))


def gather(weight, rows, out):
    """``out[i] = weight[rows[i]]`` in float32."""
    launch(_gather, _threads(weight, rows), weight, rows, out, _is_streamed(out))


@internal(forceinline=True, **SERIAL)
def _pool_columns(weight, rows, sample_weights, mean, first, last, column, total):
    """The pooled columns of one bag; `total` is zero, a block or a number."""
    columns = weight.shape[1]
    for position in range(first, last):
        place = np.int64(rows[position]) * columns + column
        scale = sample_weights[position] if sample_weights.size else np.float32(1.0)
        total = fma(scale, decode(load(weight, place, total)), total)
    if mean and last - first > 1:
        total = total / np.float32(last - first)
    return total


@internal(**SERIAL)
def _pool_range(weight, rows, offsets, sample_weights, mean, out, start, stop):
    columns = weight.shape[1]
    whole = in_blocks(columns)
    for bag in range(start, stop):
        first, last = offsets[bag], offsets[bag + 1]
        for position in range(first, last):
            ahead = min(position + ROWS_AHEAD, offsets[stop] - 1)
            prefetch_row(weight, np.int64(rows[ahead]))
        for column in range(0, whole, WIDTH):
            total = zeros(out, WIDTH)
            total = _pool_columns(weight, rows, sample_weights, mean, first, last, column, total)
            store(total, out, bag * columns + column)
        for column in range(whole, columns):
            number = zeros(out, 1)
            number = _pool_columns(weight, rows, sample_weights, mean, first, last, column, number)
            store(number, out, bag * columns + column)


@internal(**SERIAL)
def _pool_numbers(weight, rows, offsets, sample_weights, mean, out, start, stop):
    """The same for a table of one column."""
    end = offsets[stop]
    for bag in range(start, stop):
        first, last = offsets[bag], offsets[bag + 1]
        for position in range(first, min(last, end - ROWS_AHEAD)):
            prefetch_number(weight, np.int64(rows[np.uint64(position + ROWS_AHEAD)]))
        total = zeros(out, 1)
        out[bag, 0] = _pool_columns(weight, rows, sample_weights, mean, first, last, 0, total)


@parallel
def _pool(weight, rows, offsets, sample_weights, mean, out, t, threads):
    # by entries rather than bags, so that a few long bags do not fall to one thread
    start, stop = part_of_bags(offsets, t, threads), part_of_bags(offsets, t + 1, threads)
    if weight.shape[1] == 1:
        _pool_numbers(weight, rows, offsets, sample_weights, mean, out, start, stop)
    else:
        _pool_range(weight, rows, offsets, sample_weights, mean, out, start, stop)


def pool(weight, rows, offsets, sample_weights, mean, out):
    """``out[k]`` = the sum over bag k of ``sample_weights * weight[rows]``, or that over its size.

    `offsets` is int64; `sample_weights` is float32, empty for ones.
    """
    threads = _threads(weight, rows)
    launch(_pool, threads, weight, rows, offsets, sample_weights, mean, out)
