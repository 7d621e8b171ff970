"""Whether a number is finite, and how large it is."""

import numpy as np
from numba import njit

from lowprec.scalar.bits import float_as_bits, u32

_MAGNITUDE, _INF = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000)


@njit(forceinline=True)
def magnitude_bits(x):
    """The bits of ``abs(x)``: they order as magnitudes do, inf above all finite ones, NaN above."""
    return u32(float_as_bits(x) & _MAGNITUDE)


@njit(forceinline=True)
def is_finite(x):
    """Whether a float32 is neither inf nor NaN."""
    return magnitude_bits(x) < _INF


@njit(forceinline=True)
def is_within(x, limit):
    """Whether the size of a float32 is at most `limit`, which is finite; NaN is not."""
    return magnitude_bits(x) <= magnitude_bits(limit)
