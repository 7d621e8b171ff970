"""Stochastic rounding, one number at a time, for every draw of random bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from lowprec.formats.entries import FORMATS
from lowprec.formats.words import round_stochastic, round_up_probability, word_as_integer
from tests import naive
from tests.formats.numbers import all_words, every_format, neighbours, rounded


@njit
def enumerate_draws(xs, draws, format_of, mask, codes, ups, faults):
    """Round each x with every draw of [0, draws), and -x too.

    `codes` gets the word without its sign for draw 0, `ups` how many draws gave the next code, and
    `faults` how many broke a rule: monotone in the draw, no third result, the sign of x, and
    round(-x) the negative of round(x).
    """
    for i in range(xs.size):
        x = xs[i]
        sign = np.int64(mask + 1 if np.signbit(x) else 0)
        first = np.int64(word_as_integer(round_stochastic(x, np.uint32(0), format_of))) & mask
        up, fault, before = 0, 0, first
        for draw in range(draws):
            word = np.int64(word_as_integer(round_stochastic(x, np.uint32(draw), format_of)))
            opposite = np.int64(word_as_integer(round_stochastic(-x, np.uint32(draw), format_of)))
            code = word & mask
            up += code - first
            fault += code < before
            fault += code > first + 1
            fault += (word ^ code) != sign
            fault += ((opposite ^ word) & (2 * mask + 1)) != mask + 1
            before = code
        codes[i], ups[i], faults[i] = first, up, fault


@njit
def probability_of(x, format_of):
    return round_up_probability(x, format_of)


def enumerated(xs, fmt):
    """(magnitude that draw 0 gives, how many draws give the next one), no rule broken."""
    mask = (1 << fmt.magnitude_bits) - 1
    codes, ups, faults = (np.empty(xs.size, np.int64) for _ in range(3))
    enumerate_draws(xs, 1 << fmt.random_bits, np.empty(1, fmt.word), mask, codes, ups, faults)
    assert not faults.any()
    return codes.astype(f"u{fmt.word.itemsize}").view(fmt.storage).astype(np.float64), ups


def floats_of_binade(rng, exponent, count):
    """Float32 numbers of [2**exponent, 2**(exponent + 1)) and their negatives."""
    mantissas = rng.integers(0, 2**23, count)
    mantissas[:8] = [0, 1, 2**23 - 1, 2**22, 2**12, 2**13 - 1, 2**13, 2**13 + 1]
    magnitudes = np.ldexp(1.0 + mantissas / 2.0**23, exponent)
    return np.concatenate([magnitudes, -magnitudes]).astype(np.float32)


def errors_in_draws(xs, fmt):
    """E[rounded] - |x|, in units of one draw, from the enumeration of all draws."""
    assert (np.abs(xs) <= fmt.max_finite).all()
    inward, ups = enumerated(xs, fmt)
    units, unit = naive.in_draws(xs, fmt.name)
    return inward / unit + ups - units


# --- unbiased ---


@every_format
def test_what_always_becomes_0(fmt):
    """Up to the bound, and from the next float32 on there are draws that give the smallest one."""
    bound = np.float32(fmt.bias_bound)
    shares = np.array([1.0, 0.75, 2.0**-5, 2.0**-40], np.float32)
    inward, ups = enumerated(np.concatenate([bound * shares, -bound * shares]), fmt)
    assert not inward.any()
    assert not ups.any()
    beyond = np.nextafter(bound, np.float32(1.0))
    inward, ups = enumerated(np.array([beyond, -beyond]), fmt)
    assert not inward.any()
    assert (ups >= 1).all()


@every_format
def test_the_mean_of_all_draws_is_the_number_within_the_bound(fmt):
    """In the largest and the smallest binades, between them, and below the subnormal numbers."""
    rng = np.random.default_rng(8)
    normal = int(np.log2(fmt.min_normal))
    top = int(np.log2(fmt.max_finite))
    lowest = max(normal - fmt.mantissa_bits - fmt.random_bits - 3, -149)
    count = 6 if fmt.random_bits < 19 else 1
    worst = 0.0
    for exponent in sorted({lowest, *range(normal - fmt.mantissa_bits - 1, normal + 1), 0, top}):
        xs = floats_of_binade(rng, exponent, 8)[[3, 4, 7, *range(8, 8 + count)]]
        xs = xs[(np.abs(xs) <= fmt.max_finite) & (xs != 0)]
        error = np.abs(errors_in_draws(xs, fmt) * naive.in_draws(xs, fmt.name)[1])
        assert (error <= fmt.bias_bound).all()
        assert exponent < normal or not error.any()
        worst = max(worst, error.max())
    assert fmt.bias_bound == 0 or worst > fmt.bias_bound / 64  # the bound is no idle one


@pytest.mark.parametrize("exponent", range(-14, 16))
def test_half_is_exactly_unbiased_in_every_normal_binade(exponent):
    rng = np.random.default_rng(exponent + 100)
    xs = floats_of_binade(rng, exponent, 250)
    assert not errors_in_draws(xs[np.abs(xs) <= 65504], FORMATS[0]).any()


@pytest.mark.parametrize("exponent", range(-45, -14))
def test_half_is_unbiased_to_half_a_draw_when_subnormal(exponent):
    xs = floats_of_binade(np.random.default_rng(exponent + 100), exponent, 250)
    assert np.abs(errors_in_draws(xs, FORMATS[0])).max() <= 0.5


def test_smallest_floats_round_to_zero():
    # A draw of half is worth 2**-37, and 2**-38 is the tie, which goes to even: no draw at all.
    xs = np.float32([2.0**-38, 2.0**-38 * (1 + 2.0**-23), 2.0**-37, 2.0**-149])
    inward, ups = enumerated(xs, FORMATS[0])
    assert not inward.any()
    assert ups.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("fmt", "count"), [(FORMATS[1], 400), (FORMATS[2], 60), (FORMATS[3], 40)], ids=lambda v: str(v)
)
def test_other_formats_are_unbiased(fmt, count):
    rng = np.random.default_rng(1)
    top = np.frexp(fmt.max_finite)[1] - 1
    lowest = np.frexp(fmt.min_normal)[1] - 1
    exponents = rng.permutation(np.arange(lowest, top + 1).repeat(count))[:count]
    normal = np.ldexp(rng.uniform(1, 2, count), exponents).astype(np.float32)
    normal = normal[normal <= fmt.max_finite] * rng.choice(np.float32([-1, 1]))
    assert not errors_in_draws(normal, fmt).any()
    exponents = rng.integers(lowest - fmt.mantissa_bits - 2, lowest, count)
    subnormal = np.ldexp(rng.uniform(1, 2, count), exponents).astype(np.float32)
    assert np.abs(errors_in_draws(subnormal, fmt)).max() <= 0.5


# --- fixed points, special values, saturation ---


def test_every_half_is_a_fixed_point_for_every_draw():
    words = all_words(FORMATS[0])
    xs = words.view(np.float16).astype(np.float32)
    xs = xs[~np.isnan(xs)]
    inward, ups = enumerated(xs, FORMATS[0])
    np.testing.assert_array_equal(inward, np.abs(xs))
    assert not ups.any()


@pytest.mark.parametrize("fmt", FORMATS[1:], ids=lambda fmt: fmt.name)
def test_every_word_is_a_fixed_point(fmt):
    words = all_words(fmt)
    xs = words.view(fmt.storage).astype(np.float32)
    number = ~np.isnan(xs)
    last = (1 << fmt.random_bits) - 1
    for draw in (0, 1, last // 2, last):
        assert rounded(xs[number], draw, fmt).tobytes() == words[number].tobytes()


@every_format
def test_special_values_keep_their_kind_and_sign(fmt):
    zeros, infinities = [0, 0x80000000], [0x7F800000, 0xFF800000]
    nans = [0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFBFFFFF, 0x7FFFFFFF]  # quiet, signalling
    numbers = np.array([*zeros, *infinities, *nans], np.uint32).view(np.float32)
    for draw in (0, 1, (1 << fmt.random_bits) - 1):
        words = rounded(numbers, draw, fmt)
        values = words.view(fmt.storage).astype(np.float32)
        np.testing.assert_array_equal(np.signbit(values), np.signbit(numbers))
        assert (values[:2] == 0).all()
        assert np.isnan(values[4:]).all()
        if fmt.has_inf:
            assert np.isinf(values[2:4]).all()
        else:
            assert np.isnan(values[2:4]).all()


@every_format
def test_beyond_the_largest_finite_saturates(fmt):
    largest = np.float32(fmt.max_finite)
    beyond = np.float32([np.nextafter(largest, np.float32(np.inf)), 3.4028235e38])
    for draw in (0, (1 << fmt.random_bits) - 1):
        for sign in np.float32([1, -1]):
            values = rounded(sign * beyond, draw, fmt).view(fmt.storage).astype(np.float32)
            assert (values == sign * largest).all()


# --- any float32 ---


def floats_near(fmt):
    """Any float32, and those a few steps from a representable number."""

    def shifted(word, steps):
        value = np.array([word]).astype(f"u{fmt.word.itemsize}").view(fmt.storage)
        bits = int(value.astype(np.float32).view(np.uint32)[0])
        return np.uint32((bits + steps) & 0xFFFFFFFF).view(np.float32)

    words = st.integers(0, 2 ** (fmt.magnitude_bits + 1) - 1)
    near = st.builds(shifted, words, st.integers(-3, 3))
    anything = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)
    return anything.map(np.float32) | near


@every_format
@settings(max_examples=60)
@given(st.data())
def test_rounding_of_any_float(fmt, data):
    x = data.draw(floats_near(fmt))
    xs = np.array([x], np.float32)
    probability = probability_of(xs[0], np.empty(1, fmt.word))
    if np.isnan(x) or np.isinf(x):
        value = rounded(xs, 0, fmt).view(fmt.storage).astype(np.float32)[0]
        assert np.isnan(value) if np.isnan(x) or not fmt.has_inf else value == x
        assert np.signbit(value) == np.signbit(x)
        assert probability == 0.0
        return
    below, above = neighbours(x, fmt)
    last = (1 << fmt.random_bits) - 1
    inward, ups = enumerated(xs, fmt)  # which checks that draws are monotone, and signs
    ends = rounded(xs[[0]], 0, fmt), rounded(xs, last, fmt)
    ends = [float(word.view(fmt.storage).astype(np.float64)[0]) for word in ends]
    assert below <= min(ends) <= max(ends) <= above
    if below == above:
        assert ends == [below, below]
    share_outward = ups[0] / (last + 1)
    if below == above == x:
        assert probability == 0.0
        assert ups[0] == 0
    elif abs(x) > fmt.max_finite:
        assert probability == (0.0 if x > 0 else 1.0)
    else:
        # `inward` is the outer neighbour already when x is within half a draw of it.
        outer = abs(above if x > 0 else below)
        share_outward += inward[0] == outer
        assert probability == (share_outward if x > 0 else 1 - share_outward)
    assert probability == naive.round_up_probability(x, fmt.name)


@every_format
@settings(max_examples=60)
@given(st.data())
def test_rounding_of_any_float_is_the_oracle(fmt, data):
    x = data.draw(floats_near(fmt).filter(np.isfinite))
    draw = data.draw(st.integers(0, (1 << fmt.random_bits) - 1))
    expected = naive.round_stochastic(x, draw, fmt.name)
    assert rounded(np.array([x], np.float32), draw, fmt).tobytes() == expected.tobytes()
