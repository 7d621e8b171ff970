"""The objectives, and the theory that they are compared with."""

import convergence
import ml_dtypes
import numpy as np
import pytest
import report
from convergence import train
from objectives import logistic, quadratic
from rounding_theory import bound, predict, rounding_variance, spacing

every_problem = pytest.mark.parametrize("make", [quadratic, logistic])


@every_problem
def test_the_gradient_is_unbiased_and_zero_at_the_optimum(make):
    """Means of 40,000 gradients, five standard errors wide in 32 coordinates: 2e-5."""
    problem = make(seed=0)
    rng = np.random.default_rng(0)
    away = rng.normal(scale=1e-3, size=len(problem.optimum))
    draws = problem.draw(rng, 40_000)
    for offset, expected in ((0 * away, 0 * away), (away, problem.hessian @ away)):
        w = np.tile(problem.optimum + offset, (len(draws), 1))
        grads = problem.gradient(w, draws)
        error = grads.std(axis=0) / np.sqrt(len(grads))
        assert (np.abs(grads.mean(axis=0) - expected) < 5 * error + 2e-6).all()
        assert np.diag(problem.noise) == pytest.approx(grads.var(axis=0), rel=0.1)


@every_problem
def test_the_constants_hold(make):
    """f is mu-strongly convex, and E|g|^2 <= G2 + beta2 |w - w*|^2, at random points."""
    problem = make(seed=0)
    assert np.linalg.eigvalsh(problem.hessian).min() >= problem.mu * (1 - 1e-9)
    rng = np.random.default_rng(1)
    for scale in (0.01, 0.1, 1.0, 10.0):
        away = rng.normal(scale=scale, size=len(problem.optimum))
        draws = problem.draw(rng, 4000)
        grads = problem.gradient(np.tile(problem.optimum + away, (4000, 1)), draws)
        limit = problem.G2 + problem.beta2 * away @ away
        assert (grads**2).sum(axis=1).mean() < 1.1 * limit
        assert away @ grads.mean(axis=0) > 0.9 * problem.mu * away @ away - 1e-3


@pytest.mark.parametrize(
    "dtype", [np.float16, ml_dtypes.bfloat16, np.float32], ids=["float16", "bfloat16", "float32"]
)
@pytest.mark.parametrize("x", [1.0, -0.75, 3.1, 2**-14, 2**-15, 0.0])
def test_spacing(dtype, x):
    x = np.abs(np.array(x, dtype))
    following = (x.view(f"u{x.itemsize}") + 1).astype(f"u{x.itemsize}").view(dtype)
    assert spacing(float(x), np.dtype(dtype).name) == float(following) - float(x)


@pytest.mark.parametrize("mean", [0.0, 0.3, -0.5, 0.9, 4.2])
@pytest.mark.parametrize("deviation", [0.0, 0.01, 0.1, 0.19, 0.21, 0.5, 2.0])
def test_rounding_variance(mean, deviation):
    """Against a mean over the normal distribution's quantiles; the small form cuts its tails."""
    from scipy import stats

    u = mean + deviation * stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    p = u - np.floor(u)
    found = rounding_variance(np.array([mean]), np.array([deviation]))
    assert found[0] == pytest.approx((p * (1 - p)).mean(), abs=3e-3)


def test_the_prediction_without_rounding_is_that_of_sgd():
    """The distance of float32 weights on the quadratic, coordinate by coordinate."""
    problem = quadratic(seed=0)
    points = np.array([1, 10, 200])
    h, variance = np.diag(problem.hessian), np.diag(problem.noise)
    square = problem.optimum**2
    expected, schedule = [], problem.schedule()
    for step in range(points[-1]):
        rate = schedule(step)
        square = (1 - rate * h) ** 2 * square + rate**2 * variance
        if step + 1 in points:
            expected.append(square.sum())
    assert predict(problem, report.FLOAT32, points) == pytest.approx(expected)


@every_problem
def test_measured_is_predicted_and_below_the_bound(make):
    """After 2,000 steps; means of 20 repetitions, within a factor of 1.6 (fixed seeds)."""
    problem = make(seed=0)
    points = np.array([500, 1000, 2000])
    for variant in (report.FLOAT32, report.STOCHASTIC, convergence.VARIANTS[-1]):
        measured = train(problem, variant, points, 20).mean(axis=1)
        ratio = measured / predict(problem, variant, points)
        assert (ratio > 1 / 1.6).all(), variant
        assert (ratio < 1.6).all(), variant
        assert (measured < bound(problem, variant, points)).all()


def test_nearest_stalls():
    problem, points = quadratic(seed=0), np.array([3000])
    ends = {v.name: train(problem, v, points, 5).mean() for v in convergence.VARIANTS}
    assert ends["bfloat16 nearest"] > 50 * ends["bfloat16 stochastic"]
    assert ends["float16 nearest"] > 1.5 * ends["float16 stochastic"]


def test_slopes():
    problem = quadratic(seed=0)
    points = np.array([100, 1000, 10000])
    distances = np.stack([3 / (points + problem.t0), 5 * (points + problem.t0) ** -0.5], axis=1)
    assert convergence.slopes(problem, points, distances) == pytest.approx([-1.0, -0.5])
