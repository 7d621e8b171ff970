"""The public rounding functions: arrays, seeds, threads and refusals."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lowprec as lp
from tests import naive
from tests.words import bits, every_dtype, floats

# --- parts of an array ---


@every_dtype
def test_parts_are_rounded_as_the_whole(dtype):
    """Wherever a part begins: at odd numbers, in the middle of a block, or beyond 2**32."""
    x = floats(3000)
    for start in (0, 2**40 - 1000):
        whole = lp.stochastic_round(x, dtype, seed=8, first=start)
        bounds = [0, 1, 2, 16, 33, 1022, 1023, 1025, 2048, 2049, 3000]
        for begin, end in pairwise(bounds):
            part = lp.stochastic_round(x[begin:end], dtype, seed=8, first=start + begin)
            assert bits(part) == bits(whole[begin:end])


def test_the_first_number_is_checked():
    for first in (-1, 2**63 - 1):
        with pytest.raises(ValueError, match="first"):
            lp.stochastic_round(np.ones(3, np.float32), "float16", first=first)
    with pytest.raises(TypeError, match="first"):
        lp.stochastic_round(np.ones(3, np.float32), "float16", first=1.0)


# --- equal to the oracle ---


@every_dtype
@pytest.mark.parametrize("length", [0, 1, 2, 1023, 1024, 1025, 5000])
def test_stochastic_round_equals_the_oracle(dtype, length):
    x = floats(length)
    for seed in (0, 2**64 - 1):
        result = lp.stochastic_round(x, dtype, seed=seed)
        assert result.dtype == naive.FORMATS[dtype][0]
        with np.errstate(invalid="ignore"):  # casts of NaN
            expected = naive.stochastic_round(x, dtype, seed)
        assert_same_words(result, expected)


@every_dtype
def test_stochastic_round_equals_exact_rational_arithmetic(dtype):
    x = floats(1100, seed=3)[1000:]  # in an array that starts at element 1000: two blocks
    padded = np.concatenate([np.zeros(1000, np.float32), x])
    result = lp.stochastic_round(padded, dtype, seed=9)
    draw_bits = 23 - naive.FORMATS[dtype][3]
    for i in range(1000, padded.size):
        if np.isfinite(padded[i]):
            key = naive.row_key(9, 1, 0, i // 1024)
            draw = naive.draw(key, i % 1024, draw_bits)
            assert bits(result[i]) == bits(naive.round_stochastic(padded[i], draw, dtype)), i


@every_dtype
@settings(max_examples=50)
@given(hnp.arrays(np.float32, st.integers(0, 40), elements=st.floats(width=32)), st.data())
def test_stochastic_round_of_any_array(dtype, x, data):
    seed = data.draw(st.integers(0, 2**64 - 1))
    with np.errstate(invalid="ignore"):
        expected = naive.stochastic_round(x, dtype, seed)
    assert_same_words(lp.stochastic_round(x, dtype, seed=seed), expected)


def assert_same_words(a, b):
    """Equal bits; any NaN equals any NaN of its sign."""
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    a, b = a.reshape(-1), b.reshape(-1)
    nan = np.isnan(b.astype(np.float32))
    np.testing.assert_array_equal(np.isnan(a.astype(np.float32)), nan)
    np.testing.assert_array_equal(np.signbit(a), np.signbit(b))
    assert bits(a[~nan]) == bits(b[~nan])


@every_dtype
def test_round_up_probability_equals_the_oracle(dtype):
    x = floats(400, seed=1)
    probability = lp.round_up_probability(x, dtype)
    assert probability.dtype == np.float64
    for value, p in zip(x, probability, strict=True):
        assert p == (naive.round_up_probability(value, dtype) if np.isfinite(value) else 0.0)


@every_dtype
def test_nearest_round_is_the_cast_but_saturates(dtype):
    storage, largest = naive.FORMATS[dtype][0], np.float32(float(naive.FORMATS[dtype][4]))
    x = floats(5000)
    clipped = np.where(np.isinf(x), x, np.clip(x, -largest, largest))
    with np.errstate(invalid="ignore"):
        assert_same_words(lp.nearest_round(x, dtype), clipped.astype(storage))


# --- shapes and layouts ---


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: x[::2],
        lambda x: x[::-1],
        lambda x: np.asfortranarray(x.reshape(60, 50)),
        lambda x: x.reshape(60, 50).T,
        lambda x: x.reshape(3, 20, 50)[:, 3:, ::2],
        lambda x: np.broadcast_to(x[:40], (5, 40)),
        lambda x: x.astype(">f4"),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.float32, offset=1),  # not aligned
        lambda x: x[:0].reshape(0, 3),
        lambda x: x[7],
        lambda x: np.asarray(x[7]),
    ],
    ids=[
        "strided", "reversed", "fortran", "transposed", "sliced", "broadcast", "big-endian",
        "unaligned", "empty", "scalar", "0-d",
    ],
)  # fmt: skip
def test_layouts(layout):
    x = layout(floats(3000, seed=2))
    plain = np.array(x, np.float32, order="C").reshape(-1)
    for dtype in ("float16", "float8_e5m2"):
        for function in (lp.stochastic_round, lp.nearest_round, lp.round_up_probability):
            result = function(x, dtype)
            assert result.shape == np.shape(x)
            assert result.flags.c_contiguous
            assert bits(result) == bits(function(plain, dtype))


def test_input_is_left_alone_and_never_shared():
    x = floats(100)
    before = bits(x)
    for function in (lp.stochastic_round, lp.nearest_round):
        for dtype in ("float16", "float32"):
            assert not np.shares_memory(function(x, dtype), x)
    assert bits(x) == before


def test_read_only_input():
    x = floats(100)
    expected = lp.stochastic_round(x, "float16")
    x.setflags(write=False)
    result = lp.stochastic_round(x, "float16")
    assert result.flags.writeable
    assert bits(result) == bits(expected)


def test_float32_is_copied_unchanged():
    x = floats(3000)
    assert bits(lp.stochastic_round(x, "float32", seed=4)) == bits(x)
    assert bits(lp.nearest_round(x, "float32")) == bits(x)
    assert not lp.round_up_probability(x, "float32").any()


def test_lists_of_float32_are_taken():
    assert lp.nearest_round([np.float32(1.5)], "float16").tolist() == [1.5]


@every_dtype
def test_names_and_dtypes_mean_the_same(dtype):
    x = floats(100)
    storage = naive.FORMATS[dtype][0]
    for same in (storage, np.dtype(storage)):
        assert bits(lp.stochastic_round(x, same)) == bits(lp.stochastic_round(x, dtype))


# --- refusals ---


@pytest.mark.parametrize(
    "x",
    [np.ones(2), [1.0, 2.0], 1.0, np.ones(2, np.float16), np.ones(2, int), ["a"], [None]],
    ids=["float64", "list", "float", "float16", "int", "text", "object"],
)
def test_only_float32_is_taken(x):
    for function in (lp.stochastic_round, lp.nearest_round, lp.round_up_probability):
        with pytest.raises(TypeError, match="x must be float32, got "):
            function(x, "float16")


@pytest.mark.parametrize(
    "dtype", ["float64", "nonsense", "", None, int, float, np.uint16, ">f2", np.dtype("V4"), 3]
)
def test_unknown_dtypes(dtype):
    for function in (lp.stochastic_round, lp.nearest_round, lp.round_up_probability):
        with pytest.raises(ValueError, match="dtype must be one of 'float16', 'bfloat16'"):
            function(np.ones(2, np.float32), dtype)


@pytest.mark.parametrize(
    ("seed", "error"),
    [
        (-1, ValueError),
        (2**64, ValueError),
        (1.5, TypeError),
        (1.0, TypeError),
        (True, TypeError),
        (None, TypeError),
        ("1", TypeError),
    ],
)
def test_bad_seeds(seed, error):
    with pytest.raises(error, match="seed must be"):
        lp.stochastic_round(np.ones(2, np.float32), "float16", seed=seed)
