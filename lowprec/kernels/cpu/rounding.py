"""Rounding of whole arrays, for the functions of `lowprec.rounding`."""

import numpy as np

from lowprec.formats import words
from lowprec.kernels.blocks import load, store
from lowprec.kernels.columns import round_columns
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH, in_blocks
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal
from lowprec.scalar.xorshift import ROUND_BLOCK, derive, halves_of


@internal(forceinline=True, **SERIAL)
def _round_columns(x, place, column, low, high, stochastic, out, to, width):
    """Round as many elements as `width` has; the first one at `place` is `column` of its row."""
    values = load(x, place, width)
    store(round_columns(values, low, high, column, stochastic, out), out, to)


@internal(**SERIAL)
def round_row(x, start, count, column, key, stochastic, out, to):
    """Round `count` elements from `start` on, which are one row from `column` on, into `to` on."""
    low, high = halves_of(key)
    done = np.int64(0)
    if column % 2 and count:  # blocks begin with even columns
        _round_columns(x, start, column, low, high, stochastic, out, to, 1)
        done = np.int64(1)
    whole = done + in_blocks(count - done)
    for i in range(done, whole, WIDTH):
        _round_columns(x, start + i, column + i, low, high, stochastic, out, to + i, WIDTH)
    for i in range(whole, count):
        _round_columns(x, start + i, column + i, low, high, stochastic, out, to + i, 1)


@parallel
def _round(x, key, number, stochastic, out, t, threads):
    before = number // ROUND_BLOCK
    blocks = (number + x.size + ROUND_BLOCK - 1) // ROUND_BLOCK - before
    for i in range(t * blocks // threads, (t + 1) * blocks // threads):
        block = before + i
        start = max(block * ROUND_BLOCK - number, np.int64(0))
        stop = min((block + 1) * ROUND_BLOCK - number, x.size)
        column = start + number - block * ROUND_BLOCK
        row_key = derive(key, block)
        round_row(x, start, stop - start, column, row_key, stochastic, out, start)


def round_stochastic(x, key, out, first=0):
    """Round 1-D float32 `x` into the words `out`.

    Element i is number ``first + i`` of all, and column ``number % ROUND_BLOCK`` of a row.
    """
    launch(_round, threads_for(x.size), x, key, first, True, out)


def round_nearest(x, out):
    """Round 1-D float32 `x` to nearest, ties to even, into the words `out`."""
    launch(_round, threads_for(x.size), x, np.uint64(0), 0, False, out)


@parallel
def _round_up_probability(x, format_of, out, t, threads):
    for i in range(t * x.size // threads, (t + 1) * x.size // threads):
        out[i] = words.round_up_probability(x[i], format_of)


def round_up_probability(x, format_of, out):
    """The chance (float64, into `out`) that 1-D float32 `x` is rounded towards +inf.

    Only the type of the words `format_of` matters.
    """
    launch(_round_up_probability, threads_for(x.size), x, format_of, out)
