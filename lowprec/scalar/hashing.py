"""Criteo hash version 1: a category of a feature -> an id of that feature's table.

The specification is `docs/hash.md`; `tests/data/criteo_hash.json` holds known answers.  Any change
of output is a new version: a trained table is useless under ids that moved.
"""

import numpy as np

from lowprec.scalar.internal import internal
from lowprec.scalar.xorshift import derive

VERSION = 1

# An empty field: the first value that eight hexadecimal digits cannot spell.
MISSING_CATEGORY = 1 << 32

_U32_BITS = np.uint64(32)
_U64 = np.uint64


@internal(forceinline=True)
def category_id(value, feature, num_embeddings):
    """The id, in [0, num_embeddings), of category `value` (0..2**32) of feature number `feature`.

    `num_embeddings` is 1..2**32.
    """
    key = derive(_U64(VERSION), feature)
    high = _U64(derive(key, value) >> _U32_BITS)
    # A multiply and a shift spread 32 bits over the range as evenly as a remainder would,
    # use the best mixed bits, and cost no division.
    return np.int64(_U64(high * _U64(num_embeddings)) >> _U32_BITS)
