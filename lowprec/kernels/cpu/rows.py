"""Storing one row: float32 values rounded into words.  Loops that the compiler vectorises."""

import numpy as np
from numba import njit

from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.formats import random_bits, round_nearest, round_stochastic
from lowprec.scalar.xorshift import halves_of, word


@njit(forceinline=True, **SERIAL)
def store_nearest(values, row):
    """Round float32 `values` to nearest into the words of `row`."""
    for c in range(row.size):
        row[c] = round_nearest(values[c], row[c])


@njit(forceinline=True, **SERIAL)
def store_stochastic(values, key, words, row):
    """Round float32 `values` stochastically into the words of `row`.

    Column c takes ``draw(key, c, bits)``.  The words of the generator are written to the scratch
    array `words` (uint32, one a column at least) first, where two columns share a word as its two
    half-words: that makes both loops plain and fast for any number of columns.
    """
    columns = row.size
    bits = random_bits(row[0])
    low, high = halves_of(key)
    if bits == 0:
        store_nearest(values, row)
    elif bits <= 16:
        for w in range((columns + 1) // 2):
            words[w] = word(low, high, np.uint32(w))
        halves = words.view(np.uint16)  # little-endian: the low half comes first
        for c in range(columns):
            bits_of_column = np.uint32(np.uint32(halves[c]) >> np.uint32(16 - bits))
            row[c] = round_stochastic(values[c], bits_of_column, row[c])
    else:
        for c in range(columns):
            words[c] = word(low, high, np.uint32(c))
        for c in range(columns):
            bits_of_column = np.uint32(words[c] >> np.uint32(32 - bits))
            row[c] = round_stochastic(values[c], bits_of_column, row[c])
