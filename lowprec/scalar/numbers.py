"""A number of a column, as a dense feature and as a bin."""

import math

import numpy as np

from lowprec.scalar.internal import internal

_U64 = np.uint64


@internal(forceinline=True)
def signed_log1p(x):
    """sign(x) * log(1 + |x|), in float64."""
    return math.copysign(math.log1p(abs(x)), x)


@internal(forceinline=True)
def narrow(below, half, x, edges):
    """A step of a binary search: `below` of the ascending `edges` are not above `x`, or more.

    Without a branch, which would be mispredicted half of the time.
    """
    is_above = edges[_U64(_U64(below) + _U64(half - 1))] <= x
    return np.int32(below + np.int32(np.int32(half) * np.int32(is_above)))
