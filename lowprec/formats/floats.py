"""The arithmetic of floating-point formats narrower than float32.

A family of formats is a module like this one.  For a format, its functions make those that
`lowprec.formats.words` has under the same names, between float32 numbers and words as unsigned
integers of their width, or `Lanes` of both.
"""

from typing import NamedTuple

import numpy as np

from lowprec.formats.choosing import per_format
from lowprec.formats.entries import Format
from lowprec.scalar.bits import (
    HALF_IN_HARDWARE,
    any_of,
    bits_as_float,
    float_as_bits,
    float_as_half,
    half_as_float,
    narrow,
    select,
    signed_less,
    signed_max,
    u32,
)

_U32 = np.uint32


class _Constants(NamedTuple):
    """The integers that the scalar functions of one format are made of.

    A *code* is a word without its sign: codes order as magnitudes do, and ``code << dropped`` has
    the fields of a float32 whose exponent is off by a constant.
    """

    dropped: np.uint32  # mantissa bits that rounding drops from a normal float32
    draw_mask: np.uint32
    below_half: np.uint32
    max_finite: np.uint32  # as float32 bits
    min_normal_bits: np.uint32
    normal_offset: np.uint32  # float32 bits minus this are the code << dropped of a normal number
    aligner: np.float32  # its unit in the last place is the smallest subnormal
    aligner_bits: np.uint32
    sign_shift: np.uint32
    below_sign: np.uint32  # shifts a code with its fraction to just below the sign of a float32
    sign: np.uint32
    magnitude: np.uint32
    beyond_finite: np.uint32  # the first code that is no finite number
    inf_code: np.uint32
    nan_code: np.uint32
    scale: np.float32  # undoes the exponent offset of code << dropped


def _constants(fmt: Format) -> _Constants:
    def float_bits(x: float) -> int:
        return int(np.float32(x).view(_U32))

    dropped = fmt.random_bits
    implicit_one = 1 << fmt.mantissa_bits
    magnitude = (1 << fmt.magnitude_bits) - 1
    aligner = fmt.min_normal * 2.0**dropped
    normal_offset = float_bits(fmt.min_normal) - (1 << 23)
    inf_code = magnitude + 1 - implicit_one if fmt.has_inf else magnitude
    return _Constants(
        dropped=_U32(dropped),
        draw_mask=_U32((1 << dropped) - 1),
        below_half=_U32((1 << (dropped - 1)) - 1),
        max_finite=_U32(float_bits(fmt.max_finite)),
        min_normal_bits=_U32(float_bits(fmt.min_normal)),
        normal_offset=_U32(normal_offset),
        aligner=np.float32(aligner),
        aligner_bits=_U32(float_bits(aligner)),
        sign_shift=_U32(31 - fmt.magnitude_bits),
        below_sign=_U32(31 - fmt.magnitude_bits - dropped),
        sign=_U32(1 << fmt.magnitude_bits),
        magnitude=_U32(magnitude),
        beyond_finite=_U32(((float_bits(fmt.max_finite) - normal_offset) >> dropped) + 1),
        inf_code=_U32(inf_code),
        nan_code=_U32(inf_code | (implicit_one >> 1)),
        scale=np.float32(2.0 ** (128 - 2 ** (fmt.exponent_bits - 1))),
    )


_ABS = _U32(0x7FFFFFFF)
_SIGN = _U32(0x80000000)
_INF = _U32(0x7F800000)
_QUIET = _U32(0x00400000)


@per_format
def decode(fmt: Format):
    if fmt.name == "float16" and HALF_IN_HARDWARE:
        return lambda word: half_as_float(word)
    c = _constants(fmt)

    def decode(word):
        bits = u32(word)
        code = u32(bits & c.magnitude)
        sign = u32(u32(bits & c.sign) << c.sign_shift)
        shifted = u32(code << c.dropped)
        finite = float_as_bits(bits_as_float(shifted) * c.scale)
        special = u32(u32(shifted | _INF) | select(code == c.inf_code, _U32(0), _QUIET))
        return bits_as_float(u32(sign | select(code < c.beyond_finite, finite, special)))

    return decode


@per_format
def _with_fraction(fmt: Format):
    """The code of a finite magnitude (float32 bits) above the bits that rounding drops."""
    c = _constants(fmt)
    if c.normal_offset == 0:  # the exponents of float32 itself, subnormal numbers included
        return lambda magnitude: magnitude

    def with_fraction(magnitude):
        # Adding min_normal to a subnormal aligns its fraction as that of a normal number.  Adding
        # a normal number to itself raises its exponent by one, as min_normal does the largest
        # subnormal's: so one constant brings both to their codes.
        larger = bits_as_float(signed_max(magnitude, c.min_normal_bits))
        return u32(float_as_bits(bits_as_float(magnitude) + larger) - c.min_normal_bits)

    return with_fraction


@per_format
def _beyond(fmt: Format):
    """The code of a magnitude above the largest number's: that number's, inf's or NaN's."""
    c = _constants(fmt)

    def beyond(magnitude):
        special = select(magnitude == _INF, c.inf_code, c.nan_code)
        return select(magnitude < _INF, u32(c.beyond_finite - _U32(1)), special)

    return beyond


@per_format
def _saturated(fmt: Format):
    """The words (uint32) of float32 bits, from those that are right up to the largest number."""
    c, beyond = _constants(fmt), _beyond(fmt)

    def saturated(bits, words):
        magnitude = u32(bits & _ABS)
        above = signed_less(c.max_finite, magnitude)
        if any_of(above):  # rare enough to be worth a branch
            sign = u32(u32(bits & _SIGN) >> c.sign_shift)
            words = select(above, u32(sign | beyond(magnitude)), words)
        return words

    return saturated


@per_format
def round_stochastic(fmt: Format):
    c, with_fraction, saturated = _constants(fmt), _with_fraction(fmt), _saturated(fmt)
    width = 8 * fmt.word.itemsize

    def round_stochastic(x, draw):
        bits = float_as_bits(x)
        rounded = u32(with_fraction(u32(bits & _ABS)) + draw)
        # The code goes next to the sign, so that one shift brings both to their places.
        signed = u32(u32(rounded << c.below_sign) | u32(bits & _SIGN))
        return narrow(saturated(bits, u32(signed >> c.sign_shift)), width)

    return round_stochastic


@per_format
def round_nearest(fmt: Format):
    c, saturated, width = _constants(fmt), _saturated(fmt), 8 * fmt.word.itemsize

    def in_hardware(x):
        return narrow(saturated(float_as_bits(x), u32(float_as_half(x))), width)

    def round_nearest(x):
        bits = float_as_bits(x)
        magnitude = u32(bits & _ABS)
        to_even = u32(u32(magnitude >> c.dropped) & _U32(1))
        up = u32(magnitude + u32(c.below_half + to_even))
        normal = u32(u32(up - c.normal_offset) >> c.dropped)
        # The addition itself rounds a subnormal to a multiple of the smallest one, ties to even.
        subnormal = u32(float_as_bits(bits_as_float(magnitude) + c.aligner) - c.aligner_bits)
        code = select(magnitude < c.min_normal_bits, subnormal, normal)
        sign = u32(u32(bits & _SIGN) >> c.sign_shift)
        return narrow(saturated(bits, u32(sign | code)), width)

    return in_hardware if fmt.name == "float16" and HALF_IN_HARDWARE else round_nearest


@per_format
def round_up_probability(fmt: Format):
    c, with_fraction = _constants(fmt), _with_fraction(fmt)
    decoded, rounded = decode(fmt), round_stochastic(fmt)
    draws = float(1 << fmt.random_bits)

    def round_up_probability(x):
        magnitude = u32(float_as_bits(x) & _ABS)
        inward = decoded(rounded(x, _U32(0)))
        if magnitude >= _INF or inward == x:
            return 0.0
        clamped = select(signed_less(c.max_finite, magnitude), c.max_finite, magnitude)
        outward = float(u32(with_fraction(clamped) & c.draw_mask)) / draws
        if abs(inward) > abs(x):  # within half a draw of the outer neighbour: always taken
            outward = 1.0
        return outward if x > np.float32(0.0) else 1.0 - outward

    return round_up_probability


@per_format
def random_bits(fmt: Format):
    bits = fmt.random_bits
    return lambda: bits
