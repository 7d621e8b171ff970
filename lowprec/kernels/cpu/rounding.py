"""Rounding of whole arrays, for the functions of `lowprec.rounding`."""

import numpy as np

from lowprec.formats import words
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.rows import store_row
from lowprec.scalar.xorshift import ROUND_BLOCK, derive, halves_of


@parallel
def _round(x, key, stochastic, out, t, threads):
    blocks = (x.size + ROUND_BLOCK - 1) // ROUND_BLOCK
    for block in range(t * blocks // threads, (t + 1) * blocks // threads):
        first, last = block * ROUND_BLOCK, min((block + 1) * ROUND_BLOCK, x.size)
        low, high = halves_of(derive(key, block))
        store_row(x[first:last], low, high, stochastic, out[first:last])


def round_stochastic(x, key, out):
    """Round 1-D float32 `x` into the words `out`; i is column i % ROUND_BLOCK of a row."""
    launch(_round, threads_for(x.size), x, key, True, out)


def round_nearest(x, out):
    """Round 1-D float32 `x` to nearest, ties to even, into the words `out`."""
    launch(_round, threads_for(x.size), x, np.uint64(0), False, out)


@parallel
def _round_up_probability(x, format_of, out, t, threads):
    for i in range(t * x.size // threads, (t + 1) * x.size // threads):
        out[i] = words.round_up_probability(x[i], format_of)


def round_up_probability(x, format_of, out):
    """The chance (float64, into `out`) that 1-D float32 `x` is rounded towards +inf.

    Only the type of the words `format_of` matters.
    """
    launch(_round_up_probability, threads_for(x.size), x, format_of, out)
