"""Rounding of whole arrays, for the functions of `lowprec.rounding`."""

import numpy as np
from numba import njit

from lowprec.formats import words
from lowprec.kernels.blocks import load, store
from lowprec.kernels.columns import round_columns
from lowprec.kernels.cuda.launch import INLINE, after, kernel, launch
from lowprec.kernels.cuda.wide import CHUNK, wide_columns
from lowprec.scalar.xorshift import ROUND_BLOCK, derive, halves_of


@njit(**INLINE)
def round_elements(x, key, first, stochastic, out, i, to, width):
    """Round elements from `i` on, as many as the constant `width`, into `out` from `to` on.

    Element i is number ``first + i``; all are of one row.
    """
    number = first + i
    row = number // ROUND_BLOCK
    low, high = halves_of(derive(key, row))
    column = number - row * ROUND_BLOCK
    values = load(x, i, width)
    rounded = round_columns(values, low, high, column, stochastic, out)
    store(rounded, out, to)


@kernel
def _round(thread, threads, x, key, first, stochastic, out, wide):
    i = thread * CHUNK
    while i < wide:
        round_elements(x, key, first, stochastic, out, i, i, CHUNK)
        i = after(i, threads * CHUNK)
    i = wide + thread
    while i < x.size:
        round_elements(x, key, first, stochastic, out, i, i, 1)
        i = after(i, threads)


def _launch_round(x, key, first, stochastic, out):
    if x.size:
        in_chunks = x.size - x.size % CHUNK
        wide = 0 if first % CHUNK else wide_columns(in_chunks, x, out)
        key, first = np.uint64(key), np.int64(first)
        launch(_round, -(-x.size // CHUNK), x, key, first, stochastic, out, wide)


def round_stochastic(x, key, out, first=0):
    """Round 1-D float32 `x` into the words `out`.

    Element i is number ``first + i`` of all, and column ``number % ROUND_BLOCK`` of a row.
    """
    _launch_round(x, key, first, True, out)


def round_nearest(x, out):
    """Round 1-D float32 `x` to nearest, ties to even, into the words `out`."""
    _launch_round(x, 0, 0, False, out)


@kernel
def _round_up_probability(thread, threads, x, format_of, out):
    i = thread
    while i < x.size:
        out[i] = words.round_up_probability(x[i], format_of)
        i = after(i, threads)


def round_up_probability(x, format_of, out):
    """The chance (float64, into `out`) that 1-D float32 `x` is rounded towards +inf.

    Only the type of the words `format_of` matters.
    """
    if x.size:
        launch(_round_up_probability, x.size, x, format_of, out)
