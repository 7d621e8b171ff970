"""Categories as ids, against the specification."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lowprec as lp
from tests import naive_data
from tests.devices import DEVICE

DTYPES = [np.int64, np.uint32, np.int32, np.uint64, ">i8", np.uint8]


def host(array):
    from lowprec.device import get_device

    return get_device(DEVICE).to_host(array)


@given(st.integers(0, 2**32), st.integers(1, 2**31), st.integers(1, 2**31))
def test_is_the_specification(value, first, second):
    values = np.array([[value, value], [2**32, 0], [0, value // 2]])
    ids = host(lp.datasets.hash_categories(values, [first, second], device=DEVICE))
    expected = [
        [naive_data.category_id(int(x), f, size) for f, (x, size) in enumerate(pairs)]
        for pairs in (zip(row, (first, second), strict=True) for row in values)
    ]
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    values = np.arange(120).reshape(40, 3)
    expected = host(lp.datasets.hash_categories(values, 1000, device=DEVICE))
    got = host(lp.datasets.hash_categories(values.astype(dtype), 1000, device=DEVICE))
    np.testing.assert_array_equal(got, expected)
    turned = np.asfortranarray(values.astype(dtype))
    np.testing.assert_array_equal(
        host(lp.datasets.hash_categories(turned, 1000, device=DEVICE)), expected
    )


def test_nothing():
    assert lp.datasets.hash_categories(np.empty((0, 3), np.int64), 5, device=DEVICE).shape == (0, 3)


@pytest.mark.parametrize(
    ("values", "sizes", "error", "message"),
    [
        ([[0, 1], [2, -1]], 5, ValueError, r"values\[1, 1\] = -1 is not in \[0, 2\*\*32\]"),
        ([[2**32 + 1]], 5, ValueError, r"values\[0, 0\] = 4294967297 is not"),
        (np.array([[2**64 - 1]], np.uint64), 5, ValueError, r"values\[0, 0\] = 1844674407370955"),
        ([[0.5]], 5, TypeError, "values must be integers, got float64"),
        ([1, 2], 5, ValueError, r"values must have shape \(n, num_features\), got \(2,\)"),
        ([[1, 2]], [5], ValueError, "num_embeddings must have 2 entries, got 1"),
        ([[1, 2]], [5, 0], ValueError, r"num_embeddings\[1\] must be in"),
        ([[1, 2]], 2**31 + 1, ValueError, "num_embeddings must be in"),
    ],
)
def test_bad_input(values, sizes, error, message):
    with pytest.raises(error, match=message):
        lp.datasets.hash_categories(values, sizes, device=DEVICE)
