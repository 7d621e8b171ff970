"""What the tests of formats share: all words of a format, its numbers, and rounding with a draw."""

import numpy as np
import pytest
from numba import njit

from lowprec.formats.entries import FORMATS
from lowprec.formats.words import round_stochastic
from lowprec.kernels.blocks import store

every_format = pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)


def all_words(fmt):
    bits = 1 + fmt.magnitude_bits
    return np.arange(1 << bits).astype(f"u{bits // 8}").view(fmt.word)


def finite_values(fmt):
    """All finite values of a format as sorted float64, from the cast of NumPy or ml_dtypes."""
    with np.errstate(invalid="ignore"):  # signalling NaN
        values = all_words(fmt).view(fmt.storage).astype(np.float64)
    return np.unique(values[np.isfinite(values)])


def neighbours(x, fmt):
    """The largest value <= x and the smallest >= x; the largest finite on both sides beyond it."""
    values = finite_values(fmt)
    x = np.clip(np.float64(x), values[0], values[-1])
    below = values[np.searchsorted(values, x, "right") - 1]
    return below, values[np.searchsorted(values, x, "left")]


@njit
def round_with(xs, draw, out):
    for i in range(xs.size):
        store(round_stochastic(xs[i], draw, out), out, i)


def rounded(xs, draw, fmt):
    """The words of a float32 array rounded with one draw."""
    out = np.empty(xs.size, fmt.word)
    round_with(xs, np.uint32(draw), out)
    return out


def assert_same_floats(a, b):
    """Equal bits, but any NaN equals any NaN of its sign."""
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    np.testing.assert_array_equal(np.signbit(a), np.signbit(b))
    number = ~np.isnan(a)
    np.testing.assert_array_equal(a[number].view(np.uint32), b[number].view(np.uint32))
