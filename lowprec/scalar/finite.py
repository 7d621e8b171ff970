"""Whether a number is finite, how large it is, and how it is kept so."""

import numpy as np

from lowprec.scalar.bits import float_as_bits, select, sqrt, u32
from lowprec.scalar.internal import internal

_MAGNITUDE, _INF = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000)
_LARGEST = np.finfo(np.float32).max


@internal(forceinline=True)
def clamp(x, most):
    """The number nearest to `x` in ``[-most, most]``; NaN stays NaN.  Of one dtype, or lanes."""
    return select(x > most, most, select(x < -most, -most, x))


@internal(forceinline=True)
def saturate(x):
    """Float32 `x`, or the largest finite number with its sign where it is infinite."""
    return clamp(x, _LARGEST)


@internal(forceinline=True)
def root(x):
    """The square root of `x`, and 0 of what is negative."""
    return sqrt(select(x > np.float32(0.0), x, x - x))


@internal(forceinline=True)
def magnitude_bits(x):
    """The bits of ``abs(x)``: they order as magnitudes do, inf above all finite ones, NaN above."""
    return u32(float_as_bits(x) & _MAGNITUDE)


@internal(forceinline=True)
def is_finite(x):
    """Whether a float32 is neither inf nor NaN."""
    return magnitude_bits(x) < _INF


@internal(forceinline=True)
def is_within(x, limit):
    """Whether the size of a float32 is at most `limit`, which is finite; NaN is not."""
    return magnitude_bits(x) <= magnitude_bits(limit)
