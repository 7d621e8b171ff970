"""Hashes of keys: where a vocabulary looks for one, where it counts it, and what text is a key.

The specification is `docs/vocabularies.md`; `tests/data/text_hash.json` holds known answers of the
text hash.  Any change of its output is a new version: files keep keys of text as these hashes.
"""

import numpy as np

from lowprec.scalar.internal import internal
from lowprec.scalar.xorshift import derive, mix64

TEXT_VERSION = 1

# What a hash is for: the value that enters its key after the seed.
SLOT, COUNTER, TEXT, CHECK = 16, 17, 18, 19

_U64 = np.uint64
_LOW = np.uint64(0xFFFFFFFF)
_BITS = np.uint64(31)  # of a hash: a bucket's number then has 33 at most


@internal(forceinline=True)
def hash_key(seed, use):
    """What the hashes of a seed for one use are derived from."""
    return derive(mix64(_U64(seed)), _U64(use))


@internal(forceinline=True)
def home_of(key, of_slots, buckets):
    """The bucket, of so many (uint64, at most 2**33), from which a key is looked for."""
    return _U64(_U64(_U64(derive(of_slots, key) >> _U64(33)) * buckets) >> _BITS)


@internal(forceinline=True)
def counter_of(hashed, line, mask):
    """The counter of line number `line`, of ``mask + 1``, for a key with this hash."""
    step = _U64(_U64(hashed >> _U64(32)) | _U64(1))
    return _U64(_U64(_U64(hashed & _LOW) + _U64(_U64(line) * step)) & mask)


@internal()
def text_hash(data, start, stop, key):
    """The hash of the bytes ``data[start:stop]``: 8 at a time, little-endian, then the length."""
    hashed, word, shift = key, _U64(0), _U64(0)
    for place in range(start, stop):
        word |= _U64(data[place]) << shift
        shift += _U64(8)
        if shift == _U64(64):
            hashed, word, shift = derive(hashed, word), _U64(0), _U64(0)
    if shift:
        hashed = derive(hashed, word)
    return derive(hashed, _U64(stop - start))
