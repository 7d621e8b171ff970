"""Reading a table: rows decoded to float32, one a bag or pooled."""

import numpy as np
from numba import njit

from lowprec.formats.words import decode
from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cuda.launch import INLINE, kernel, launch
from lowprec.kernels.cuda.wide import columns_of, divide_float32
from lowprec.scalar.bits import fma


@kernel
def _gather(thread, threads, weight, rows, out, split):
    columns, lane = weight.shape[1], thread & (split.threads - 1)
    i = thread >> split.shift
    while i < rows.size:
        first = np.int64(rows[i]) * columns
        column = lane * columns_of(split)
        while column < split.wide:
            block = load(weight, first + column, split)
            store(decode(block), out, i * columns + column)
            column += split.threads * columns_of(split)
        column = split.wide + lane
        while column < columns:
            number = load(weight, first + column, 1)
            store(decode(number), out, i * columns + column)
            column += split.threads
        i += threads >> split.shift


def gather(weight, rows, out):
    """``out[i] = weight[rows[i]]`` in float32."""
    split = divide_float32(weight.shape[1], weight, out)
    launch(_gather, rows.size * split.threads, weight, rows, out, split)


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
def _pool(thread, threads, weight, rows, offsets, sample_weights, weighted, mean, out, split):
    columns, lane = weight.shape[1], thread & (split.threads - 1)
    bag = thread >> split.shift
    while bag < len(out):
        first, last = offsets[bag], offsets[bag + 1]
        column = lane * columns_of(split)
        while column < split.wide:
            block = _pool_columns(
                weight, rows, sample_weights, weighted, mean, first, last, column,
                zeros(out, split),
            )  # fmt: skip
            store(block, out, bag * columns + column)
            column += split.threads * columns_of(split)
        column = split.wide + lane
        while column < columns:
            number = _pool_columns(
                weight, rows, sample_weights, weighted, mean, first, last, column, zeros(out, 1)
            )
            store(number, out, bag * columns + column)
            column += split.threads
        bag += threads >> split.shift


def pool(weight, rows, offsets, sample_weights, mean, out):
    """``out[k]`` = the sum over bag k of ``sample_weights * weight[rows]``, or that over its size.

    `offsets` is int64; `sample_weights` is float32, empty for ones.
    """
    split = divide_float32(weight.shape[1], weight, out)
    weighted = sample_weights.size > 0
    if not rows.size:  # all bags are empty: nothing is read
        rows = offsets.view(np.uint32)
    if not weighted:
        sample_weights = out.reshape(-1)
    launch(
        _pool, len(out) * split.threads,
        weight, rows, offsets, sample_weights, weighted, np.bool_(mean), out, split,
    )  # fmt: skip
