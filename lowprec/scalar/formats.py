"""Storage formats: what each one is, and how one float32 is rounded into it and read back.

Kernels see a table as an array of *words*, integers whose dtype says which format they hold
(uint16 is float16, int16 is bfloat16, ...), because compiled code on the CPU knows no float16.
`decode`, `round_nearest` and `round_stochastic` pick their arithmetic by that dtype when a kernel
is compiled, so one kernel source serves every format.  To add a format, add it to `FORMATS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import ml_dtypes
import numba
import numpy as np
from numba import njit, types
from numba.core.errors import TypingError
from numba.extending import overload

from lowprec.scalar.bits import HALF_IN_HARDWARE, bits_as_float, float_as_bits, half_as_float

_U32 = np.uint32


@dataclass(frozen=True)
class Format:
    """A binary floating-point format of at most 16 bits, narrower than float32.

    Parameters
    ----------
    name : str
        The name users give.
    storage : numpy.dtype
        The dtype users see.
    word : numpy.dtype
        The integer dtype kernels see; it stands for the format, so no two formats share one.
    exponent_bits, mantissa_bits : int
        Widths of the fields; the exponent bias is ``2**(exponent_bits - 1) - 1``.
    max_finite : float
        The largest finite value, where larger finite values saturate.
    has_inf : bool
        Whether the top exponent is kept for inf and NaN, as IEEE 754 does.
    """

    name: str
    storage: np.dtype
    word: np.dtype
    exponent_bits: int
    mantissa_bits: int
    max_finite: float
    has_inf: bool = True

    @property
    def magnitude_bits(self) -> int:
        """Width of a word without its sign."""
        return self.exponent_bits + self.mantissa_bits

    @property
    def random_bits(self) -> int:
        """Bits of a float32 that a normal number drops: how many random bits one rounding takes."""
        return 23 - self.mantissa_bits

    @property
    def min_normal(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (2 - 2 ** (self.exponent_bits - 1))


FORMATS = (
    Format("float16", np.dtype(np.float16), np.dtype(np.uint16), 5, 10, 65504.0),
    Format("bfloat16", np.dtype(ml_dtypes.bfloat16), np.dtype(np.int16), 8, 7, 2.0**128 - 2.0**120),
    Format(
        "float8_e4m3fn", np.dtype(ml_dtypes.float8_e4m3fn), np.dtype(np.uint8), 4, 3, 448.0, False
    ),
    Format("float8_e5m2", np.dtype(ml_dtypes.float8_e5m2), np.dtype(np.int8), 5, 2, 57344.0),
)


class _Constants(NamedTuple):
    """The integers that the scalar functions of one format are made of.

    A *code* is a word without its sign: codes order as magnitudes do, and ``code << dropped`` has
    the fields of a float32 whose exponent is off by a constant.
    """

    dropped: np.uint32  # mantissa bits that rounding drops from a normal float32
    draw_mask: np.uint32
    below_half: np.uint32
    max_finite: np.uint32  # as float32 bits
    min_normal: np.float32
    min_normal_bits: np.uint32
    rebias: np.uint32  # (float32 bits >> dropped) - rebias is the code of a normal number
    rebias_subnormal: np.uint32  # the same for a subnormal that min_normal was added to
    aligner: np.float32  # its unit in the last place is the smallest subnormal
    aligner_bits: np.uint32
    sign_shift: np.uint32
    sign: np.uint32
    magnitude: np.uint32
    max_code: np.uint32
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
    rebias_subnormal = float_bits(fmt.min_normal) >> dropped
    rebias = rebias_subnormal - implicit_one
    inf_code = magnitude + 1 - implicit_one if fmt.has_inf else magnitude
    return _Constants(
        dropped=_U32(dropped),
        draw_mask=_U32((1 << dropped) - 1),
        below_half=_U32((1 << (dropped - 1)) - 1),
        max_finite=_U32(float_bits(fmt.max_finite)),
        min_normal=np.float32(fmt.min_normal),
        min_normal_bits=_U32(float_bits(fmt.min_normal)),
        rebias=_U32(rebias),
        rebias_subnormal=_U32(rebias_subnormal),
        aligner=np.float32(aligner),
        aligner_bits=_U32(float_bits(aligner)),
        sign_shift=_U32(31 - fmt.magnitude_bits),
        sign=_U32(1 << fmt.magnitude_bits),
        magnitude=_U32(magnitude),
        max_code=_U32((float_bits(fmt.max_finite) >> dropped) - rebias),
        inf_code=_U32(inf_code),
        nan_code=_U32(inf_code | (implicit_one >> 1)),
        scale=np.float32(2.0 ** (128 - 2 ** (fmt.exponent_bits - 1))),
    )


_ABS = _U32(0x7FFFFFFF)
_INF = _U32(0x7F800000)
_QUIET = _U32(0x00400000)


def _decode_body(fmt: Format):
    if fmt.name == "float16" and HALF_IN_HARDWARE:
        return lambda word: half_as_float(word)
    c = _constants(fmt)

    def decode(word):
        code = _U32(_U32(word) & c.magnitude)
        sign = _U32(_U32(_U32(word) & c.sign) << c.sign_shift)
        shifted = _U32(code << c.dropped)
        finite = float_as_bits(np.float32(bits_as_float(shifted) * c.scale))
        special = _U32(_U32(shifted | _INF) | (_U32(0) if code == c.inf_code else _QUIET))
        return bits_as_float(_U32(sign | (finite if code <= c.max_code else special)))

    return decode


def _round_stochastic_body(fmt: Format):
    c = _constants(fmt)
    to_word = fmt.word.type

    def round_stochastic(x, draw, like):
        bits = float_as_bits(x)
        magnitude = _U32(bits & _ABS)
        sign = _U32(_U32(bits >> c.sign_shift) & c.sign)
        clamped = magnitude if magnitude < c.max_finite else c.max_finite
        # Adding min_normal to a subnormal aligns its fraction as that of a normal number.
        subnormal = clamped < c.min_normal_bits
        shift = c.min_normal if subnormal else np.float32(0.0)
        aligned = float_as_bits(np.float32(bits_as_float(clamped) + shift))
        rebias = c.rebias_subnormal if subnormal else c.rebias
        code = _U32(_U32(_U32(aligned + draw) >> c.dropped) - rebias)
        special = c.inf_code if magnitude == _INF else c.nan_code
        return to_word(_U32(sign | (code if magnitude < _INF else special)))

    return round_stochastic


def _round_nearest_body(fmt: Format):
    c = _constants(fmt)
    to_word = fmt.word.type

    def round_nearest(x, like):
        bits = float_as_bits(x)
        magnitude = _U32(bits & _ABS)
        sign = _U32(_U32(bits >> c.sign_shift) & c.sign)
        clamped = magnitude if magnitude < c.max_finite else c.max_finite
        to_even = _U32(_U32(clamped >> c.dropped) & _U32(1))
        up = _U32(clamped + _U32(c.below_half + to_even))
        normal = _U32(_U32(up >> c.dropped) - c.rebias)
        # The addition itself rounds a subnormal to a multiple of the smallest one, ties to even.
        aligned = float_as_bits(np.float32(bits_as_float(clamped) + c.aligner))
        code = _U32(aligned - c.aligner_bits) if clamped < c.min_normal_bits else normal
        special = c.inf_code if magnitude == _INF else c.nan_code
        return to_word(_U32(sign | (code if magnitude < _INF else special)))

    return round_nearest


def _round_up_probability_body(fmt: Format):
    c = _constants(fmt)
    draws = float(1 << fmt.random_bits)

    def round_up_probability(x, like):
        magnitude = _U32(float_as_bits(x) & _ABS)
        inward = decode(round_stochastic(x, _U32(0), like))
        if magnitude >= _INF or inward == x:
            return 0.0
        clamped = magnitude if magnitude < c.max_finite else c.max_finite
        shift = c.min_normal if clamped < c.min_normal_bits else np.float32(0.0)
        aligned = float_as_bits(np.float32(bits_as_float(clamped) + shift))
        outward = float(_U32(aligned & c.draw_mask)) / draws
        if abs(inward) > abs(x):  # within half a draw of the outer neighbour: always taken
            outward = 1.0
        return outward if x > np.float32(0.0) else 1.0 - outward

    return round_up_probability


def _random_bits_body(fmt: Format):
    random_bits = fmt.random_bits
    return lambda like: random_bits


def _chooser(make_body, identity):
    """What picks the body for the numba type of a word; `identity` is the body for float32."""
    bodies = {numba.from_dtype(fmt.word): make_body(fmt) for fmt in FORMATS}
    bodies[types.float32] = identity

    def choose(word):
        if word not in bodies:
            raise TypingError(f"no storage format is held in words of type {word}")
        return bodies[word]

    return choose


_choose_decode = _chooser(_decode_body, lambda word: word)
_choose_nearest = _chooser(_round_nearest_body, lambda x, like: x)
_choose_stochastic = _chooser(_round_stochastic_body, lambda x, draw, like: x)
_choose_probability = _chooser(_round_up_probability_body, lambda x, like: 0.0)
_choose_random_bits = _chooser(_random_bits_body, lambda like: 0)


# Names for the overloads below; the public functions call them and never run them as Python.
def _decode(word): ...
def _round_nearest(x, like): ...
def _round_stochastic(x, draw, like): ...
def _round_up_probability(x, like): ...
def _random_bits(like): ...


@overload(_decode)
def _overload_decode(word):
    return _choose_decode(word)


@overload(_round_nearest)
def _overload_round_nearest(x, like):
    return _choose_nearest(like)


@overload(_round_stochastic)
def _overload_round_stochastic(x, draw, like):
    return _choose_stochastic(like)


@overload(_round_up_probability)
def _overload_round_up_probability(x, like):
    return _choose_probability(like)


@overload(_random_bits)
def _overload_random_bits(like):
    return _choose_random_bits(like)


@njit(forceinline=True)
def decode(word):
    """The float32 value of a word: always exact."""
    return _decode(word)


@njit(forceinline=True)
def round_nearest(x, like):
    """The word nearest to float32 `x`, ties to even, in the format of the word `like`."""
    return _round_nearest(x, like)


@njit(forceinline=True)
def round_stochastic(x, draw, like):
    """One of the two words around float32 `x`, in the format of the word `like`.

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
    """How many random bits one rounding takes in the format of the word `like`: 0 for float32."""
    return _random_bits(like)
