"""Reading a table: rows decoded to float32, one a bag or pooled."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.prefetch import prefetch_row
from lowprec.kernels.cpu.search import first_at_least
from lowprec.scalar.bits import fma
from lowprec.scalar.formats import decode

ROWS_AHEAD = 24


@njit(**SERIAL)
def _gather_range(weight, rows, out, start, stop):
    for i in range(start, stop):
        prefetch_row(weight, np.int64(rows[min(i + ROWS_AHEAD, stop - 1)]))
        row, values = weight[rows[i]], out[i]
        for c in range(values.size):
            values[c] = decode(row[c])


@njit(**PARALLEL)
def gather(weight, rows, out, threads):
    """``out[i] = weight[rows[i]]`` in float32."""
    for t in prange(threads):
        start, stop = t * rows.size // threads, (t + 1) * rows.size // threads
        _gather_range(weight, rows, out, start, stop)


@njit(**SERIAL)
def _pool_range(weight, rows, offsets, sample_weights, mean, out, start, stop):
    last = offsets[stop] - 1
    for bag in range(start, stop):
        values = out[bag]
        values[:] = np.float32(0.0)
        for position in range(offsets[bag], offsets[bag + 1]):
            prefetch_row(weight, np.int64(rows[min(position + ROWS_AHEAD, last)]))
            row = weight[rows[position]]
            scale = sample_weights[position] if sample_weights.size else np.float32(1.0)
            for c in range(values.size):
                values[c] = fma(scale, decode(row[c]), values[c])
        count = offsets[bag + 1] - offsets[bag]
        if mean and count > 1:
            divisor = np.float32(count)
            for c in range(values.size):
                values[c] /= divisor


@njit(forceinline=True, **SERIAL)
def _first_bag(offsets, part, parts):
    """The first bag of a part of the batch; the bags of all parts have about as many entries."""
    bags = offsets.size - 1
    if part == 0:
        return 0
    if part == parts:
        return bags
    return min(bags, first_at_least(offsets, offsets[bags] * part // parts))


@njit(**PARALLEL)
def pool(weight, rows, offsets, sample_weights, mean, out, threads):
    """``out[k]`` = the sum over bag k of ``sample_weights * weight[rows]``, or that over its size.

    `offsets` is int64; `sample_weights` is float32, empty for ones.
    """
    for t in prange(threads):
        # by entries rather than bags, so that a few long bags do not fall to one thread
        start, stop = _first_bag(offsets, t, threads), _first_bag(offsets, t + 1, threads)
        _pool_range(weight, rows, offsets, sample_weights, mean, out, start, stop)
