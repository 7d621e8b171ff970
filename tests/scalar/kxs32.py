"""KXS32, lowprec's generator before KWX32: its words, which `tests/data/kxs32.json` pins.

The upper half of a key moves all words of a row by one constant, so the differences of a row's
words have 2**32 patterns: `tests/scalar/tuples.py` has tests that see it.
"""

import numpy as np
from numba import njit

from lowprec.scalar.bits import u32

_U32 = np.uint32


@njit
def word(low, high, position):
    x = u32(low + u32(position * _U32(0x9E3779B9)))
    x = u32(x ^ u32(x << _U32(13)))
    x = u32(x ^ u32(x >> _U32(17)))
    x = u32(x ^ u32(x << _U32(5)))
    x = u32(u32(x + high) * _U32(0x2C1B3C6D))
    return u32(x ^ u32(x >> _U32(16)))
