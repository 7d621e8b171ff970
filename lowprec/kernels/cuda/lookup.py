"""Reading a table: rows decoded to float32, one a bag or pooled."""

import numpy as np
from numba import njit

from lowprec.formats.words import decode
from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cuda.launch import INLINE, kernel, lanes_for, launch
from lowprec.kernels.cuda.wide import CHUNK, items_of_row, wide_columns
from lowprec.scalar.bits import fma


@kernel
def _gather(thread, threads, weight, rows, out, wide, lanes):
    columns, lane = weight.shape[1], thread & (lanes.threads - 1)
    i = thread >> lanes.shift
    while i < rows.size:
        first = np.int64(rows[i]) * columns
        column = lane * CHUNK
        while column < wide:
            block = load(weight, first + column, CHUNK)
            store(decode(block), out, i * columns + column)
            column += lanes.threads * CHUNK
        column = wide + lane
        while column < columns:
            number = load(weight, first + column, 1)
            store(decode(number), out, i * columns + column)
            column += lanes.threads
        i += threads >> lanes.shift


def gather(weight, rows, out):
    """``out[i] = weight[rows[i]]`` in float32."""
    columns = weight.shape[1]
    wide = wide_columns(columns, weight, out)
    lanes = lanes_for(items_of_row(columns, wide))
    launch(_gather, rows.size * lanes.threads, weight, rows, out, wide, lanes)


@njit(**INLINE)
def _pool_columns(weight, rows, sample_weights, weighted, mean, first, last, column, total):
    """The pooled columns of one bag; `total` is zero, a block or a number."""
    columns = weight.shape[1]
    for position in range(first, last):
        place = np.int64(rows[position]) * columns + column
        scale = sample_weights[position] if weighted else np.float32(1.0)
        total = fma(scale, decode(load(weight, place, total)), total)
    if mean and last - first > 1:
        total = total / np.float32(last - first)
    return total


@kernel
def _pool(thread, threads, weight, rows, offsets, sample_weights, weighted, mean, out, wide, lanes):
    columns, lane = weight.shape[1], thread & (lanes.threads - 1)
    bag = thread >> lanes.shift
    while bag < len(out):
        first, last = offsets[bag], offsets[bag + 1]
        column = lane * CHUNK
        while column < wide:
            block = _pool_columns(
                weight, rows, sample_weights, weighted, mean, first, last, column,
                zeros(out, CHUNK),
            )  # fmt: skip
            store(block, out, bag * columns + column)
            column += lanes.threads * CHUNK
        column = wide + lane
        while column < columns:
            number = _pool_columns(
                weight, rows, sample_weights, weighted, mean, first, last, column, zeros(out, 1)
            )
            store(number, out, bag * columns + column)
            column += lanes.threads
        bag += threads >> lanes.shift


def pool(weight, rows, offsets, sample_weights, mean, out):
    """``out[k]`` = the sum over bag k of ``sample_weights * weight[rows]``, or that over its size.

    `offsets` is int64; `sample_weights` is float32, empty for ones.
    """
    columns = weight.shape[1]
    wide = wide_columns(columns, weight, out)
    lanes = lanes_for(items_of_row(columns, wide))
    weighted = sample_weights.size > 0
    if not rows.size:  # all bags are empty: nothing is read
        rows = offsets.view(np.uint32)
    if not weighted:
        sample_weights = out.reshape(-1)
    launch(
        _pool, len(out) * lanes.threads,
        weight, rows, offsets, sample_weights, weighted, np.bool_(mean), out, wide, lanes,
    )  # fmt: skip
