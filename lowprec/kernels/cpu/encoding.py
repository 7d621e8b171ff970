"""Columns of values -> keys, rows of a table and dense features.

The loops are serial on purpose: an encoder runs them over many stretches of rows at once.
"""

import math

import numpy as np

from lowprec.kernels.cpu.compiling import serial
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal
from lowprec.scalar.numbers import narrow, signed_log1p
from lowprec.scalar.values import TEXT, bucket, meaning_key, text_key
from lowprec.scalar.xorshift import derive

_EMPTY = np.int32(0)  # the row of a slot without a key
_ROWS_AT_ONCE = 64
_VALUES_AT_ONCE = 1024


@serial
def text_keys(offsets, data, keys):
    """keys[i] (uint64) = that of the bytes data[offsets[i]:offsets[i + 1]]."""
    start = meaning_key(TEXT)
    for i in range(keys.size):
        keys[i] = text_key(start, data, offsets[i], offsets[i + 1])


@serial
def word_keys(words, meaning, keys):
    """keys[i] (uint64) = that of the word words[i] (uint64) of such a meaning."""
    start = meaning_key(meaning)
    for i in range(keys.size):
        keys[i] = derive(start, words[i])


@serial
def bucket_rows(keys, salt, num_embeddings, rows):
    """rows[i] (int32) = the bucket of keys[i]."""
    for i in range(keys.size):
        rows[i] = bucket(salt, keys[i], num_embeddings)


@serial
def fill_slots(keys, slots, rows_of_slots):
    """Row i + 1 for keys[i]: in the first free slot from the one that the key names.

    The number of slots is a power of two, at least twice that of keys, which differ.
    """
    mask = np.uint64(slots.size - 1)
    for i in range(keys.size):
        place = keys[i] & mask
        while rows_of_slots[place] != _EMPTY:
            place = (place + np.uint64(1)) & mask
        slots[place] = keys[i]
        rows_of_slots[place] = np.int32(i + 1)


@serial
def find_rows(keys, slots, rows_of_slots, rows):
    """rows[i] (int32) = the row that `fill_slots` gave keys[i], or 0."""
    mask = np.uint64(slots.size - 1)
    for i in range(keys.size):
        key = keys[i]
        place = key & mask
        while rows_of_slots[place] != _EMPTY and slots[place] != key:
            place = (place + np.uint64(1)) & mask
        rows[i] = rows_of_slots[place]


@internal(**SERIAL)
def _find_bins(values, edges, bins, first, last):
    """bins[i] = how many edges are not above values[i]; all take each step together."""
    for i in range(first, last):
        bins[np.uint64(i)] = np.int32(0)
    left = edges.size
    while left > 0:
        half = (left + 1) >> 1
        for i in range(first, last):
            place = np.uint64(i)
            bins[place] = narrow(bins[place], half, values[place], edges)
        left -= half


@serial
def encode_numbers(values, edges, is_logarithmic, mean, factor, limit, rows, dense):
    """rows[i] = 1 + the bin of values[i], dense[i] = it standardised; both 0 where it is NaN.

    Returns the position of the first infinite value, or -1.
    """
    for first in range(0, values.size, _VALUES_AT_ONCE):
        last = min(first + _VALUES_AT_ONCE, values.size)
        _find_bins(values, edges, rows, first, last)
        for i in range(first, last):
            x = values[i]
            if math.isnan(x):
                rows[i], dense[i] = np.int32(0), np.float32(0.0)
                continue
            if math.isinf(x):
                return i
            rows[i] += np.int32(1)
            centred = (signed_log1p(x) if is_logarithmic else x) - mean
            dense[i] = np.float32(min(max(centred * factor, -limit), limit))
    return -1


@serial
def interleave(columns, rows):
    """rows[i, j] = columns[j, i], a few rows at a time, which the cache holds."""
    count = rows.shape[0]
    for first in range(0, count, _ROWS_AT_ONCE):
        last = min(first + _ROWS_AT_ONCE, count)
        for j in range(rows.shape[1]):
            for i in range(first, last):
                rows[i, j] = columns[j, i]
