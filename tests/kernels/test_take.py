"""Rows of several arrays in another order."""

import numpy as np
import pytest

from lowprec.kernels.cpu import take_rows


@pytest.mark.parametrize("rows", [0, 1, 5, 13, 200])
def test_take_rows(rows):
    rng = np.random.default_rng(rows)
    dense = rng.normal(size=(50, 13)).astype(np.float32)
    arrays = [
        dense, rng.integers(0, 9, (50, 4)), rng.integers(0, 9, (50, 3), np.int32), dense[:, 0],
        dense[:, :0], dense[:, 2].copy(), np.asfortranarray(dense), dense.astype(">f4"),
        rng.integers(0, 9, (50, 3), np.int8), rng.normal(size=(50, 2, 3)),
    ]  # fmt: skip
    dense.flags.writeable = False
    order = rng.integers(0, 50, rows)
    for array, found in zip(arrays, take_rows(arrays, order), strict=True):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array[order])
        assert found.flags.writeable


def test_threads_do_not_matter(monkeypatch):
    monkeypatch.setattr("lowprec.kernels.cpu.launch.NUMBERS_PER_THREAD", 1)
    array = np.arange(3000).reshape(1000, 3)
    order = np.random.default_rng(0).permutation(1000)
    (found,) = take_rows([array], order)
    np.testing.assert_array_equal(found, array[order])
