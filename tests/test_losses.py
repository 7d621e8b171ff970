"""The log loss against its definition, and its gradient against finite differences."""

import math

import numpy as np
import pytest

from lowprec import losses
from lowprec.device import get_device
from tests import naive_models


def logistic_loss(logits, y, weights=None):
    return losses.logistic_loss(get_device("cpu"), logits, y, weights)


def test_is_the_definition():
    logits = np.array([-2.0, 0.0, 0.5, 3.0], np.float32)
    y = np.array([0, 1, 0, 1], np.float32)
    loss, _ = logistic_loss(logits, y)
    p = [1 / (1 + math.exp(-z)) for z in logits]
    expected = -(math.log(1 - p[0]) + math.log(p[1]) + math.log(1 - p[2]) + math.log(p[3])) / 4
    assert loss == pytest.approx(expected, rel=1e-6)


def test_gradient_is_the_slope():
    rng = np.random.default_rng(0)
    logits, y = rng.normal(scale=4.0, size=50), rng.integers(0, 2, 50).astype(np.float64)
    _, dlogits = logistic_loss(logits, y)
    for _ in range(5):
        direction = rng.normal(size=50)
        slope = naive_models.derivative(lambda z: logistic_loss(z, y)[0], logits, direction)
        assert dlogits @ direction == pytest.approx(slope, rel=1e-6)


def test_weights_multiply_the_loss_of_each_sample():
    rng = np.random.default_rng(0)
    logits, y = rng.normal(scale=4.0, size=3000).astype(np.float32), np.ones(3000, np.float32)
    weights = rng.integers(0, 4, 3000).astype(np.float32)
    loss, dlogits = logistic_loss(logits, y, weights)
    again = np.repeat(np.arange(3000), weights.astype(int))
    repeated, drepeated = logistic_loss(logits[again], y[again])
    assert loss * 3000 == pytest.approx(repeated * len(again), rel=1e-12)
    np.testing.assert_allclose(
        dlogits[weights > 0] * 3000 / weights[weights > 0],
        drepeated[np.unique(again, return_index=True)[1]] * len(again),
        rtol=1e-6,
    )
    ones = logistic_loss(logits, y, np.ones(3000, np.float32))
    plain = logistic_loss(logits, y)
    assert ones[0] == plain[0]
    assert ones[1].tobytes() == plain[1].tobytes()


def test_float32_in_gives_float32_and_a_python_float():
    logits, y = np.array([0.3, -1.0], np.float32), np.array([1, 0], np.float32)
    loss, dlogits = logistic_loss(logits, y)
    in_double = logistic_loss(logits.astype(np.float64), y.astype(np.float64))
    assert type(loss) is float
    assert dlogits.dtype == np.float32
    assert loss == pytest.approx(in_double[0], rel=1e-6)
    np.testing.assert_allclose(dlogits, in_double[1], rtol=1e-6)


@pytest.mark.parametrize("size", [100.0, 1e4, 1e30])
def test_large_logits_do_not_overflow(size):
    logits = np.array([size, size, -size, -size], np.float32)
    loss, dlogits = logistic_loss(logits, np.array([1, 0, 1, 0], np.float32))
    assert loss == pytest.approx(size / 2)
    np.testing.assert_allclose(dlogits, [0.0, 0.25, -0.25, 0.0], atol=1e-30)
