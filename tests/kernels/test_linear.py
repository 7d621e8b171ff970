"""The outputs of a linear model: from the definition, in float32, one term after the other."""

import numpy as np
import pytest

from lowprec.kernels.cpu import linear_outputs


@pytest.mark.parametrize("shape", [(0, 2), (3, 0), (7, 1), (50, 13), (6000, 13)])
def test_outputs_are_added_up_in_order(shape):
    rng = np.random.default_rng(shape)
    x = rng.standard_normal(shape).astype(np.float32)
    coef = rng.standard_normal(shape[1]).astype(np.float32)
    intercept = rng.standard_normal(1).astype(np.float32)
    sums = rng.standard_normal((shape[0], 1)).astype(np.float32)
    expected = np.zeros(shape[0], np.float32)
    for column in range(shape[1]):
        expected += x[:, column] * coef[column]
    expected = (expected + sums[:, 0] * np.float32(0.7)) + intercept
    assert linear_outputs(x, coef, intercept, sums, 0.7).tobytes() == expected.tobytes()
