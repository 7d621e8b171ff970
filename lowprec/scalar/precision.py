"""What storing a number in a format costs, in float64: exact but for the last sum or product."""

from typing import NamedTuple

import numpy as np

from lowprec.scalar.bits import bits_as_float, u32
from lowprec.scalar.finite import magnitude_bits
from lowprec.scalar.internal import internal

_EXPONENT = np.uint32(0x7F800000)


class Limits(NamedTuple):
    """What a format can hold."""

    unit: np.float64  # the distance of neighbours from 1 on
    min_normal: np.float32
    max_finite: np.float32


@internal(forceinline=True)
def spacing(x, limits):
    """The distance (float64) between the neighbours around float32 `x`, |x| <= max finite."""
    binade = bits_as_float(u32(magnitude_bits(x) & _EXPONENT))
    return np.float64(max(binade, limits.min_normal)) * limits.unit


@internal(forceinline=True)
def rounding_variance(x, gap):
    """The variance (float64) of rounding float32 `x` stochastically to multiples of `gap`."""
    places = abs(np.float64(x)) / gap
    fraction = places - np.floor(places)
    return fraction * (1.0 - fraction) * gap * gap
