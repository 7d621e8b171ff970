"""Rounding of whole arrays, for the functions of `lowprec.rounding`."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.formats import words
from lowprec.kernels.blocks import load, store
from lowprec.kernels.cache import cached
from lowprec.kernels.columns import round_columns
from lowprec.kernels.cuda.launch import INLINE, THREAD, NoNumbers, kernel, launch
from lowprec.kernels.cuda.wide import CHUNK, wide_columns
from lowprec.scalar.xorshift import ROUND_BLOCK, derive, halves_of


class _Round(NamedTuple):
    x: np.ndarray
    out: np.ndarray


class _RoundNumbers(NamedTuple):
    key: np.uint64
    stochastic: np.bool_
    wide: np.int64


@njit(**INLINE)
def _round_elements(arrays, numbers, i, width):
    """Round elements from `i` on, as many as the constant `width`; all are of one row."""
    row = i // ROUND_BLOCK
    low, high = halves_of(derive(numbers.key, row))
    column = i - row * ROUND_BLOCK
    values = load(arrays.x, i, width)
    rounded = round_columns(values, low, high, column, numbers.stochastic, arrays.out)
    store(rounded, arrays.out, i)


@cached
@njit(**THREAD)
def _round(thread, threads, arrays, numbers):
    for i in range(thread * CHUNK, numbers.wide, threads * CHUNK):
        _round_elements(arrays, numbers, i, CHUNK)
    for i in range(numbers.wide + thread, arrays.x.size, threads):
        _round_elements(arrays, numbers, i, 1)


_run_round = kernel(_round)


def _launch_round(x, key, stochastic, out):
    if x.size:
        wide = wide_columns(x.size - x.size % CHUNK, x, out)
        numbers = _RoundNumbers(np.uint64(key), np.bool_(stochastic), np.int64(wide))
        launch(_run_round, -(-x.size // CHUNK), _Round(x, out), numbers)


def round_stochastic(x, key, out):
    """Round 1-D float32 `x` into the words `out`; i is column i % ROUND_BLOCK of a row."""
    _launch_round(x, key, True, out)


def round_nearest(x, out):
    """Round 1-D float32 `x` to nearest, ties to even, into the words `out`."""
    _launch_round(x, 0, False, out)


class _Chance(NamedTuple):
    x: np.ndarray
    format_of: np.ndarray
    out: np.ndarray


@cached
@njit(**THREAD)
def _round_up_probability(thread, threads, arrays, numbers):
    for i in range(thread, arrays.x.size, threads):
        arrays.out[i] = words.round_up_probability(arrays.x[i], arrays.format_of)


_run_round_up_probability = kernel(_round_up_probability)


def round_up_probability(x, format_of, out):
    """The chance (float64, into `out`) that 1-D float32 `x` is rounded towards +inf.

    Only the type of the words `format_of` matters.
    """
    if x.size:
        launch(_run_round_up_probability, x.size, _Chance(x, format_of, out), NoNumbers())
