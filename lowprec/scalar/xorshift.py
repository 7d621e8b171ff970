"""KWX32, keyed Weyl steps and xorshift: random words as a pure function of a key and a position.

The specification, with the reasons, is `docs/random-bits.md`; `tests/data/kwx32.json` holds known
answers.  Any change of output is a new generator with a new name.
"""

import numpy as np

from lowprec.scalar.bits import u32
from lowprec.scalar.internal import internal

NAME = "KWX32"
VERSION = 1

# What a stream of words is used for: the first value that enters a key after the seed.
STREAM_UPDATE = 0  # rounding of table updates; keyed further by (step, row)
STREAM_ROUND = 1  # stochastic_round; keyed further by (0, block of elements)
STREAM_INIT = 2  # initial weights of a table; keyed further by (0, row)
STREAM_WRITE = 3  # rounding of rows that are written as given; keyed further by (step, row)
STREAM_RESET = 4  # weights of rows that begin anew; keyed further by (0, the key given)
STREAM_WIRE = 5  # rounding of gradients that are sent; keyed further by (step, block of elements)
ROUND_BLOCK = 1024  # elements that stochastic_round puts under one key, as the columns of a row

_GOLDEN64 = np.uint64(0x9E3779B97F4A7C15)
_MIX64 = np.uint64(0xD6E8FEB86659FD93)
_MULTIPLIER = np.uint32(0x2C1B3C6D)
_U32 = np.uint32
_U64 = np.uint64


@internal(forceinline=True)
def mix64(z):
    """Bijective 64-bit mixer: every input bit reaches every output bit."""
    z = _U64(_U64(z ^ _U64(z >> _U64(32))) * _MIX64)
    z = _U64(_U64(z ^ _U64(z >> _U64(32))) * _MIX64)
    return _U64(z ^ _U64(z >> _U64(32)))


@internal(forceinline=True)
def derive(key, value):
    """The key one level below `key` for a 64-bit `value`; distinct values give distinct keys."""
    return mix64(_U64(key + _U64(_U64(value) + _U64(1)) * _GOLDEN64))


@internal(forceinline=True)
def halves_of(key):
    """A 64-bit key as its low and its high 32 bits, which is how `word` takes it.

    A loop over words then has no 64-bit number in it, and the compiler vectorises it.
    """
    return _U32(key & _U64(0xFFFFFFFF)), _U32(_U64(key) >> _U64(32))


@internal(forceinline=True)
def low_from(key_low, key_high, position):
    """The low half of another key: its words from 0 on are those of this key from `position` on.

    A block of words is computed from it as if it began at word 0.  The factors of its lanes are
    then the same for all blocks of a row, and computed once.
    """
    return u32(key_low + u32(position * u32(key_high | _U32(1))))


@internal(forceinline=True)
def word(key_low, key_high, position):
    """The 32-bit random word number `position` (uint32) under the two halves of a key."""
    x = low_from(key_low, key_high, position)
    x = u32(x ^ u32(x << _U32(13)))
    x = u32(x ^ u32(x >> _U32(17)))
    x = u32(x ^ u32(x << _U32(5)))
    x = u32(u32(x + key_high) * _MULTIPLIER)
    return u32(x ^ u32(x >> _U32(16)))


@internal(forceinline=True)
def state_key(key_low, key_high, state):
    """The halves of the key of an optimizer's state number `state`, from those of its row.

    They are words of the row that no column has, which lanes of keys have as well.
    """
    place = u32(_U32(0xFFFFFFFE) - u32(_U32(2) * _U32(state)))
    return word(key_low, key_high, place), word(key_low, key_high, u32(place + _U32(1)))


@internal(forceinline=True)
def draw(key_low, key_high, column, bits):
    """The `bits` random bits (1 to 32) of one column under the key of its row.

    Up to 16 bits are the top bits of a half-word, two columns a word, even columns the low half;
    more are the top bits of a word of the column's own.
    """
    if bits <= 16:
        pair = word(key_low, key_high, u32(column >> _U32(1)))
        half = u32(u32(pair >> u32((column & _U32(1)) << _U32(4))) & _U32(0xFFFF))
        return u32(half >> _U32(16 - bits))
    return u32(word(key_low, key_high, u32(column)) >> _U32(32 - bits))
