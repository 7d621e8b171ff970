"""Value hash version 1: a value of a column -> a 64-bit key, whatever type the column has.

Values that are equal have equal keys: text and bytes by their bytes, numbers by their value, points
in time by their microseconds.  The specification is `docs/hash.md`; `tests/data/value_hash.json`
holds known answers.  Any change of output is a new version, as saved encoders hold keys.
"""

import numpy as np

from lowprec.scalar.internal import internal
from lowprec.scalar.xorshift import derive

VERSION = 1

# What a word means: the second value that enters a key.
TEXT = 0  # bytes
INTEGER = 1  # an int64
LARGE_INTEGER = 2  # a uint64 of 2**63 or more
FLOAT = 3  # the bits of a float64 that is none of these integers
INSTANT = 4  # microseconds since 1970, int64
DURATION = 5  # microseconds, int64
TIME = 6  # microseconds since midnight, int64

_U64 = np.uint64
_WORD = np.uint64(8)
_START = np.uint64(0x76616C7565730000 + VERSION)  # "values"
_U32_BITS = np.uint64(32)


@internal(forceinline=True)
def meaning_key(meaning):
    """The key of which those of all words of a meaning are derived."""
    return derive(_START, _U64(meaning))


@internal(forceinline=True)
def _word_at(data, place):
    """Eight bytes as a little-endian word; the compiler makes one load of it."""
    word = _U64(data[place])
    word |= _U64(data[place + _U64(1)]) << _U64(8)
    word |= _U64(data[place + _U64(2)]) << _U64(16)
    word |= _U64(data[place + _U64(3)]) << _U64(24)
    word |= _U64(data[place + _U64(4)]) << _U64(32)
    word |= _U64(data[place + _U64(5)]) << _U64(40)
    word |= _U64(data[place + _U64(6)]) << _U64(48)
    word |= _U64(data[place + _U64(7)]) << _U64(56)
    return word


@internal()
def text_key(key, data, start, stop):
    """The key of the bytes `data[start:stop]`; `key` is the one that TEXT means."""
    place, end = _U64(start), _U64(stop)
    key = derive(key, _U64(end - place))
    while _U64(end - place) >= _WORD:
        key = derive(key, _word_at(data, place))
        place = _U64(place + _WORD)
    if place < end:
        word, shift = _U64(0), _U64(0)
        while place < end:
            word |= _U64(data[place]) << shift
            place, shift = _U64(place + _U64(1)), _U64(shift + _U64(8))
        key = derive(key, word)
    return key


@internal(forceinline=True)
def bucket(salt, key, num_embeddings):
    """The row, in [1, num_embeddings), of a key in a column of this salt; row 0 is for others."""
    high = _U64(derive(salt, key) >> _U32_BITS)
    return np.int32(_U64(1) + _U64(_U64(high * _U64(num_embeddings - 1)) >> _U32_BITS))
