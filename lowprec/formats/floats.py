"""How one float32 is rounded into a storage format and read back.

Kernels see a table as an array of *words*, which bear the name of their format
(`lowprec.formats.words`).  `decode`, `round_nearest` and `round_stochastic` pick their arithmetic
by it when a kernel is compiled, so one kernel source serves every format.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numba.core.errors import TypingError
from numba.extending import overload

from lowprec.formats.entries import FORMATS, Format
from lowprec.formats.words import bits_as_word, format_of, word_as_bits
from lowprec.scalar.bits import (
    HALF_IN_HARDWARE,
    any_of,
    bits_as_float,
    float_as_bits,
    float_as_half,
    half_as_float,
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
_INF = _U32(0x7F800000)
_QUIET = _U32(0x00400000)


def _decode_body(fmt: Format):
    if fmt.name == "float16" and HALF_IN_HARDWARE:
        return lambda word: half_as_float(word_as_bits(word))
    c = _constants(fmt)

    def decode(word):
        bits = word_as_bits(word)
        code = u32(bits & c.magnitude)
        sign = u32(u32(bits & c.sign) << c.sign_shift)
        shifted = u32(code << c.dropped)
        finite = float_as_bits(bits_as_float(shifted) * c.scale)
        special = u32(u32(shifted | _INF) | select(code == c.inf_code, _U32(0), _QUIET))
        return bits_as_float(u32(sign | select(code < c.beyond_finite, finite, special)))

    return decode


def _with_fraction_body(fmt: Format):
    c = _constants(fmt)
    if c.normal_offset == 0:  # the exponents of float32 itself, subnormal numbers included
        return lambda magnitude, like: magnitude

    def with_fraction(magnitude, like):
        # Adding min_normal to a subnormal aligns its fraction as that of a normal number.  Adding
        # a normal number to itself raises its exponent by one, as min_normal does the largest
        # subnormal's: so one constant brings both to their codes.
        larger = bits_as_float(signed_max(magnitude, c.min_normal_bits))
        return u32(float_as_bits(bits_as_float(magnitude) + larger) - c.min_normal_bits)

    return with_fraction


def _round_stochastic_body(fmt: Format):
    c = _constants(fmt)

    def round_stochastic(x, draw, like):
        bits = float_as_bits(x)
        magnitude = u32(bits & _ABS)
        sign = u32(bits ^ magnitude)
        if any_of(signed_less(c.max_finite, magnitude)):  # rare enough to be worth a branch
            clamped = select(signed_less(c.max_finite, magnitude), c.max_finite, magnitude)
            rounded = u32(u32(_with_fraction(clamped, like) + draw) >> c.dropped)
            code = select(magnitude < _INF, rounded, _special(magnitude, like))
            return bits_as_word(u32(u32(sign >> c.sign_shift) | code), like)
        rounded = u32(_with_fraction(magnitude, like) + draw)
        # The code goes next to the sign, so that one shift brings both to their places.
        return bits_as_word(u32(u32(u32(rounded << c.below_sign) | sign) >> c.sign_shift), like)

    return round_stochastic


def _round_nearest_body(fmt: Format):
    c = _constants(fmt)

    def in_hardware(x, like):
        bits = float_as_bits(x)
        magnitude = u32(bits & _ABS)
        if any_of(signed_less(c.max_finite, magnitude)):
            clamped = select(signed_less(c.max_finite, magnitude), c.max_finite, magnitude)
            finite = float_as_half(bits_as_float(clamped))
            code = select(magnitude < _INF, finite, _special(magnitude, like))
            return bits_as_word(u32(u32(u32(bits ^ magnitude) >> c.sign_shift) | code), like)
        return bits_as_word(float_as_half(x), like)

    def round_nearest(x, like):
        bits = float_as_bits(x)
        magnitude = u32(bits & _ABS)
        clamped = select(signed_less(c.max_finite, magnitude), c.max_finite, magnitude)
        to_even = u32(u32(clamped >> c.dropped) & _U32(1))
        up = u32(clamped + u32(c.below_half + to_even))
        normal = u32(u32(up - c.normal_offset) >> c.dropped)
        # The addition itself rounds a subnormal to a multiple of the smallest one, ties to even.
        subnormal = u32(float_as_bits(bits_as_float(clamped) + c.aligner) - c.aligner_bits)
        finite = select(clamped < c.min_normal_bits, subnormal, normal)
        code = select(magnitude < _INF, finite, _special(magnitude, like))
        return bits_as_word(u32(u32(u32(bits ^ magnitude) >> c.sign_shift) | code), like)

    return in_hardware if fmt.name == "float16" and HALF_IN_HARDWARE else round_nearest


def _special_body(fmt: Format):
    c = _constants(fmt)
    return lambda magnitude, like: select(magnitude == _INF, c.inf_code, c.nan_code)


def _round_up_probability_body(fmt: Format):
    c = _constants(fmt)
    draws = float(1 << fmt.random_bits)

    def round_up_probability(x, like):
        magnitude = u32(float_as_bits(x) & _ABS)
        inward = decode(round_stochastic(x, _U32(0), like))
        if magnitude >= _INF or inward == x:
            return 0.0
        clamped = select(signed_less(c.max_finite, magnitude), c.max_finite, magnitude)
        outward = float(u32(_with_fraction(clamped, like) & c.draw_mask)) / draws
        if abs(inward) > abs(x):  # within half a draw of the outer neighbour: always taken
            outward = 1.0
        return outward if x > np.float32(0.0) else 1.0 - outward

    return round_up_probability


def _random_bits_body(fmt: Format):
    random_bits = fmt.random_bits
    return lambda like: random_bits


def _chooser(make_body, identity=None):
    """What picks the body for a format; `identity` is the body for float32."""
    bodies = {fmt.name: make_body(fmt) for fmt in FORMATS}
    if identity is not None:
        bodies["float32"] = identity

    def choose(given):
        if format_of(given) not in bodies:
            raise TypingError(f"{given} is of no storage format; there are {', '.join(bodies)}")
        return bodies[format_of(given)]

    return choose


_choose_decode = _chooser(_decode_body, lambda word: word)
_choose_nearest = _chooser(_round_nearest_body, lambda x, like: x)
_choose_stochastic = _chooser(_round_stochastic_body, lambda x, draw, like: x)
_choose_probability = _chooser(_round_up_probability_body, lambda x, like: 0.0)
_choose_random_bits = _chooser(_random_bits_body, lambda like: 0)
_choose_with_fraction = _chooser(_with_fraction_body)
_choose_special = _chooser(_special_body)


# Names for the overloads below; compiled functions call them and never run them as Python.
def _decode(word): ...
def _round_nearest(x, like): ...
def _round_stochastic(x, draw, like): ...
def _round_up_probability(x, like): ...
def _random_bits(like): ...
def _with_fraction(magnitude, like): ...
def _special(magnitude, like): ...


_INLINE = {"jit_options": {"forceinline": True}}


@overload(_decode, **_INLINE)
def _overload_decode(word):
    return _choose_decode(word)


@overload(_round_nearest, **_INLINE)
def _overload_round_nearest(x, like):
    return _choose_nearest(like)


@overload(_round_stochastic, **_INLINE)
def _overload_round_stochastic(x, draw, like):
    return _choose_stochastic(like)


@overload(_round_up_probability, **_INLINE)
def _overload_round_up_probability(x, like):
    return _choose_probability(like)


@overload(_random_bits, **_INLINE)
def _overload_random_bits(like):
    return _choose_random_bits(like)


@overload(_with_fraction, **_INLINE)
def _overload_with_fraction(magnitude, like):
    """The code of a finite magnitude (float32 bits) above the bits that rounding drops."""
    return _choose_with_fraction(like)


@overload(_special, **_INLINE)
def _overload_special(magnitude, like):
    """The code of a magnitude that is inf or NaN."""
    return _choose_special(like)


@njit(forceinline=True)
def decode(word):
    """The float32 value of a word: always exact."""
    return _decode(word)


@njit(forceinline=True)
def round_nearest(x, like):
    """The word nearest to float32 `x`, ties to even, in the format of `like`: an array or word."""
    return _round_nearest(x, like)


@njit(forceinline=True)
def round_stochastic(x, draw, like):
    """One of the two words around float32 `x`, in the format of `like`, an array or a word.

    `draw` is a uniform integer of `random_bits` bits (uint32).  It is added to the bits that the
    format drops, so the carry happens with the probability that they, as a fraction, stand for.
    """
    return _round_stochastic(x, draw, like)


@njit(forceinline=True)
def round_up_probability(x, like):
    """The exact share (float64) of draws with which `round_stochastic` goes towards +inf."""
    return _round_up_probability(x, like)


@njit(forceinline=True)
def random_bits(like):
    """How many random bits one rounding takes in the format of `like`: 0 for float32."""
    return _random_bits(like)
