"""What the theory says about SGD with stochastic rounding: floors, bounds, predictions.

The statements and their proofs are in docs/theory.md and the pages that it links.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import report
from objectives import Problem
from scipy import special


def spacing(x: np.ndarray | float, dtype: str) -> np.ndarray:
    """The distance between neighbours of the format at x."""
    limits = ml_dtypes.finfo(dtype)
    exponent = np.floor(np.log2(np.maximum(np.abs(x), float(limits.smallest_normal))))
    return np.exp2(exponent - limits.nmant)


def rounding_variance(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """E[p (1 - p)] of stochastic rounding, p the fraction of a normal step, in spacings.

    p (1 - p) = |u| (1 - |u|), u being the distance to the nearest representable number.  Small
    deviations never leave -1 < u < 1; large ones leave two terms of its Fourier series.
    """
    u, s = mean - np.round(mean), np.maximum(deviation, 1e-12)
    folded = s * np.sqrt(2 / np.pi) * np.exp(-((u / s) ** 2) / 2)
    small = folded + u * special.erf(u / (s * np.sqrt(2))) - u**2 - s**2
    k = np.arange(1, 4)[:, None]
    waves = np.exp(-2 * (np.pi * k * s) ** 2) * np.cos(2 * np.pi * k * u) / (np.pi * k) ** 2
    return np.where(s < 0.2, np.maximum(small, 0.0), 1 / 6 - waves.sum(axis=0))


def predict(problem: Problem, variant: report.Variant, points: np.ndarray) -> np.ndarray:
    """The expected squared distance (points,): the recursion of docs/theory.md near the optimum.

    Not for rounding to nearest, for which there is no such recursion.
    """
    H, schedule = problem.hessian, problem.schedule()
    mean, covariance = -problem.optimum, np.zeros_like(H)
    step_of = spacing(problem.optimum, variant.dtype)
    rounds = variant.dtype != "float32"
    wanted, expected = set(points.tolist()), []
    for step in range(points[-1]):
        rate = schedule(step)
        A = np.eye(len(H)) - rate * H
        if rounds:
            moved = rate * np.sqrt(np.diag(H @ covariance @ H + problem.noise))
            variance = rounding_variance(rate * (H @ mean) / step_of, moved / step_of)
        mean, covariance = A @ mean, A @ covariance @ A + rate**2 * problem.noise
        if rounds:
            covariance += np.diag(step_of**2 * variance)
        if step + 1 in wanted:
            expected.append(mean @ mean + np.trace(covariance))
    return np.array(expected)


def sharp_floor(mu: float, G2: float, beta2: float, moved: int, delta: float) -> float:
    """The root a of ``2 mu a = sqrt(moved) delta sqrt(G2 + beta2 a)``.

    `moved` is the most coordinates that a step moves, `delta` the largest gap.
    """
    linear, square = beta2 * moved * delta**2, G2 * moved * delta**2
    return float((linear + np.sqrt(linear**2 + 16 * mu**2 * square)) / (8 * mu**2))


def sharp_bound(
    mu: float, G2: float, beta2: float, floor: float, points: np.ndarray, start: float, c: float
) -> np.ndarray:
    """Of the expected squared distance, for rates ``c / (mu (t + t0))`` from `start`."""
    t0 = 4 * c * beta2 / mu**2
    noise = c**2 * (G2 + beta2 * floor) / ((0.75 * c - 1) * mu**2)
    return floor + max(t0 * start, noise) / (points + t0)


def largest_gap(problem: Problem, variant: report.Variant) -> float:
    """Of the weights, which stay below 2; 0 for float32, whose rounding the theory leaves out."""
    return 0.0 if variant.dtype == "float32" else float(spacing(1.0, variant.dtype))


def floor(problem: Problem, variant: report.Variant) -> float:
    """The sharp floor of an objective, all of whose coordinates move at every step."""
    d, gap = len(problem.optimum), largest_gap(problem, variant)
    return sharp_floor(problem.mu, problem.G2, problem.beta2, d, gap)


def bound(problem: Problem, variant: report.Variant, points: np.ndarray) -> np.ndarray:
    """The coarse bound of the expected squared distance, with four times the floor."""
    mu, d, gap = problem.mu, len(problem.optimum), largest_gap(problem, variant)
    constant = max(problem.t0 * problem.optimum @ problem.optimum, 16 * problem.G2 / mu**2)
    rho = gap * np.sqrt(d * problem.G2) + d * gap**2 * problem.beta2 / (2 * mu)
    return constant / (points + problem.t0) + 2 * rho / mu
