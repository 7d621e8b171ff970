"""Reading a table: rows decoded to float32, one a bag or pooled."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.formats.words import decode
from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cache import cached
from lowprec.kernels.cuda.launch import INLINE, THREAD, kernel, lanes_for, launch
from lowprec.kernels.cuda.wide import CHUNK, items_of_row, wide_columns
from lowprec.scalar.bits import fma


class _Gather(NamedTuple):
    weight: np.ndarray
    rows: np.ndarray
    out: np.ndarray


class _GatherNumbers(NamedTuple):
    wide: np.int64
    lanes: np.int64


@cached
@njit(**THREAD)
def _gather(thread, threads, arrays, numbers):
    weight, rows, out = arrays.weight, arrays.rows, arrays.out
    columns, lane = weight.shape[1], thread % numbers.lanes
    for i in range(thread // numbers.lanes, rows.size, threads // numbers.lanes):
        first = np.int64(rows[i]) * columns
        for column in range(lane * CHUNK, numbers.wide, numbers.lanes * CHUNK):
            block = load(weight, first + column, CHUNK)
            store(decode(block), out, i * columns + column)
        for column in range(numbers.wide + lane, columns, numbers.lanes):
            number = load(weight, first + column, 1)
            store(decode(number), out, i * columns + column)


_run_gather = kernel(_gather)


def gather(weight, rows, out):
    """``out[i] = weight[rows[i]]`` in float32."""
    columns = weight.shape[1]
    wide = wide_columns(columns, weight, out)
    lanes = lanes_for(items_of_row(columns, wide))
    numbers = _GatherNumbers(np.int64(wide), lanes)
    launch(_run_gather, rows.size * int(lanes), _Gather(weight, rows, out), numbers)


class _Pool(NamedTuple):
    weight: np.ndarray
    rows: np.ndarray
    offsets: np.ndarray
    sample_weights: np.ndarray
    out: np.ndarray


class _PoolNumbers(NamedTuple):
    weighted: np.bool_
    mean: np.bool_
    wide: np.int64
    lanes: np.int64


@njit(**INLINE)
def _pool_columns(arrays, numbers, first, last, column, total):
    """The pooled columns of one bag; `total` is zero, a block or a number."""
    columns = arrays.weight.shape[1]
    for position in range(first, last):
        place = np.int64(arrays.rows[position]) * columns + column
        scale = arrays.sample_weights[position] if numbers.weighted else np.float32(1.0)
        total = fma(scale, decode(load(arrays.weight, place, total)), total)
    if numbers.mean and last - first > 1:
        total = total / np.float32(last - first)
    return total


@cached
@njit(**THREAD)
def _pool(thread, threads, arrays, numbers):
    columns, lane = arrays.weight.shape[1], thread % numbers.lanes
    for bag in range(thread // numbers.lanes, len(arrays.out), threads // numbers.lanes):
        first, last = arrays.offsets[bag], arrays.offsets[bag + 1]
        for column in range(lane * CHUNK, numbers.wide, numbers.lanes * CHUNK):
            total = zeros(arrays.out, CHUNK)
            total = _pool_columns(arrays, numbers, first, last, column, total)
            store(total, arrays.out, bag * columns + column)
        for column in range(numbers.wide + lane, columns, numbers.lanes):
            number = zeros(arrays.out, 1)
            number = _pool_columns(arrays, numbers, first, last, column, number)
            store(number, arrays.out, bag * columns + column)


_run_pool = kernel(_pool)


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
    arrays = _Pool(weight, rows, offsets, sample_weights if weighted else out.reshape(-1), out)
    numbers = _PoolNumbers(np.bool_(weighted), np.bool_(mean), np.int64(wide), lanes)
    launch(_run_pool, len(out) * int(lanes), arrays, numbers)
