"""Dense features, centred and scaled: bit for bit as NumPy does, and whether they stay finite."""

import numpy as np
import pytest

from lowprec.kernels.cpu import standardize, standardized_is_finite

SHAPES = [(0, 3), (1, 1), (5, 13), (40, 16), (9000, 13)]  # the last is shared by threads


def drawn(shape):
    rng = np.random.default_rng(shape)
    x = rng.standard_normal(shape).astype(np.float32)
    return x, *rng.standard_normal((2, shape[1])).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_are_those_of_numpy(shape):
    x, mean, scale = drawn(shape)
    assert standardize(x, mean, scale).tobytes() == ((x - mean) * scale).tobytes()
    assert standardized_is_finite(x, mean, scale)


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, np.float32(3e38)])
def test_one_number_that_is_not_finite_is_found(shape, bad):
    x, mean, scale = drawn(shape)
    scale[:] = 4.0
    for row in {0, shape[0] // 2, shape[0] - 1}:
        changed = x.copy()
        changed[row, -1] = bad
        assert not standardized_is_finite(changed, mean, scale)
