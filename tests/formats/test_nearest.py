"""Rounding to nearest, ties to even, against the casts of NumPy and ml_dtypes."""

import numpy as np
from numba import njit

from lowprec.formats.words import round_nearest
from lowprec.kernels.blocks import store
from tests.formats.numbers import assert_same_floats, every_format, finite_values


@njit
def nearest_all(xs, out):
    for i in range(xs.size):
        store(round_nearest(xs[i], out), out, i)


def assert_nearest_is_the_cast(xs, fmt):
    words = np.empty(xs.size, fmt.word)
    nearest_all(xs, words)
    saturated = np.clip(xs, np.float32(-fmt.max_finite), np.float32(fmt.max_finite))
    with np.errstate(invalid="ignore"):  # NaN
        expected = np.where(np.isinf(xs), xs, saturated).astype(fmt.storage)
    assert_same_floats(words.view(fmt.storage).astype(np.float32), expected.astype(np.float32))


@every_format
def test_nearest_of_random_bits_is_the_cast(fmt):
    bits = np.random.default_rng(5).integers(0, 2**32, 1_000_000, dtype=np.uint32)
    assert_nearest_is_the_cast(bits.view(np.float32), fmt)
    # Most random bits are out of range; these exponents are all in it.
    span = np.uint32(fmt.exponent_bits) << np.uint32(23)
    middle = (bits & np.uint32(0x83FFFFFF)) + np.uint32(0x3C000000) - span
    assert_nearest_is_the_cast(middle.view(np.float32), fmt)


@every_format
def test_nearest_of_ties_goes_to_even(fmt):
    values = finite_values(fmt)
    ties = ((values[1:] + values[:-1]) / 2).astype(np.float32)
    ties = ties[ties.astype(np.float64) * 2 == values[1:] + values[:-1]]  # those float32 can hold
    up = np.nextafter(ties, np.float32(np.inf))
    down = np.nextafter(ties, np.float32(-np.inf))
    for xs in (ties, up, down):
        assert_nearest_is_the_cast(xs, fmt)
