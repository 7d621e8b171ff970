"""Reading a table: rows decoded to float32, one a bag or pooled."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.memory import WIDTH, load, prefetch_row, store, zeros
from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.search import part_of_bags
from lowprec.scalar.bits import fma
from lowprec.scalar.formats import decode

ROWS_AHEAD = 24


@njit(**SERIAL)
def _gather_range(weight, rows, out, start, stop):
    columns = weight.shape[1]
    for i in range(start, stop):
        prefetch_row(weight, np.int64(rows[min(i + ROWS_AHEAD, stop - 1)]))
        row = np.int64(rows[i])
        for column in range(0, columns, WIDTH):
            count = min(WIDTH, columns - column)
            block = decode(load(weight, row * columns + column, count))
            store(block, out, i * columns + column, count)


@njit(**PARALLEL)
def gather(weight, rows, out, threads):
    """``out[i] = weight[rows[i]]`` in float32."""
    for t in prange(threads):
        start, stop = t * rows.size // threads, (t + 1) * rows.size // threads
        _gather_range(weight, rows, out, start, stop)


@njit(**SERIAL)
def _pool_range(weight, rows, offsets, sample_weights, mean, out, start, stop):
    columns = weight.shape[1]
    for bag in range(start, stop):
        first, last = offsets[bag], offsets[bag + 1]
        for position in range(first, last):
            ahead = min(position + ROWS_AHEAD, offsets[stop] - 1)
            prefetch_row(weight, np.int64(rows[ahead]))
        for column in range(0, columns, WIDTH):
            count = min(WIDTH, columns - column)
            total = zeros(out)
            for position in range(first, last):
                block = decode(load(weight, np.int64(rows[position]) * columns + column, count))
                scale = sample_weights[position] if sample_weights.size else np.float32(1.0)
                total = fma(scale, block, total)
            if mean and last - first > 1:
                total = total / np.float32(last - first)
            store(total, out, bag * columns + column, count)


@njit(**PARALLEL)
def pool(weight, rows, offsets, sample_weights, mean, out, threads):
    """``out[k]`` = the sum over bag k of ``sample_weights * weight[rows]``, or that over its size.

    `offsets` is int64; `sample_weights` is float32, empty for ones.
    """
    for t in prange(threads):
        # by entries rather than bags, so that a few long bags do not fall to one thread
        start, stop = part_of_bags(offsets, t, threads), part_of_bags(offsets, t + 1, threads)
        _pool_range(weight, rows, offsets, sample_weights, mean, out, start, stop)
