"""What the theory says about SGD with stochastic rounding: floors, bounds, predictions.

The statements and their proofs are in docs/theory.md and the pages that it links.

    python examples/convergence.py --constants

prints the numbers that these pages give for its objectives, in Markdown.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import report
from objectives import Problem, logistic, quadratic
from scipy import special

DTYPES = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
STEPS = 200_000  # of `convergence.py --full`


def spacing(x: np.ndarray | float, dtype: str) -> np.ndarray:
    """The distance between neighbours of the format at x."""
    limits = ml_dtypes.finfo(dtype)
    exponent = np.floor(np.log2(np.maximum(np.abs(x), float(limits.smallest_normal))))
    return np.exp2(exponent - limits.nmant)


def rounding_variance(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """E[p (1 - p)] of stochastic rounding, p the fractional part of a normal step, in spacings.

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


def relative_floor(
    mu: float, G2: float, beta2: float, length: float, moved: int, dtype: str
) -> float:
    """The floor with gaps of at most ``u |x| + smallest``, wherever weights go.

    `length` is that of the optimum.  Infinite for a format that is too coarse for the objective.
    """
    limits = ml_dtypes.finfo(dtype)
    u, smallest = 2.0**-limits.nmant, float(limits.smallest_subnormal)
    q = u * length + np.sqrt(moved) * smallest
    G, beta = np.sqrt(G2), np.sqrt(beta2)
    slope, linear = 2 * mu - u * beta, u * G + beta * q
    if slope <= 0:
        return float("inf")
    return float(((linear + np.sqrt(linear**2 + 4 * slope * q * G)) / (2 * slope)) ** 2)


def largest_gap(problem: Problem, variant: report.Variant) -> float:
    """Of weights below 2, with room to spare; 0 for float32, which the theory takes as exact."""
    return 0.0 if variant.dtype == "float32" else float(spacing(1.0, variant.dtype))


def floor(problem: Problem, variant: report.Variant) -> float:
    """The sharp floor of an objective, all of whose coordinates move at every step."""
    d, gap = len(problem.optimum), largest_gap(problem, variant)
    return sharp_floor(problem.mu, problem.G2, problem.beta2, d, gap)


def bound(problem: Problem, variant: report.Variant, points: np.ndarray) -> np.ndarray:
    """A coarse bound of the expected squared distance, for the figure: (4) is up to half of it.

    It has four times the floor's terms, and the gaps of weights below 2.
    """
    mu, d, gap = problem.mu, len(problem.optimum), largest_gap(problem, variant)
    constant = max(problem.t0 * problem.optimum @ problem.optimum, 16 * problem.G2 / mu**2)
    rho = gap * np.sqrt(d * problem.G2) + d * gap**2 * problem.beta2 / (2 * mu)
    return constant / (points + problem.t0) + 2 * rho / mu


# --- the numbers of docs/theory ---


def constants(problem: Problem, dtype: str) -> dict[str, float]:
    """Of docs/theory/strongly-convex.md, for the gaps of weights below 1."""
    mu, d, t0, G = problem.mu, len(problem.optimum), problem.t0, np.sqrt(problem.G2)
    gap, start = float(spacing(0.5, dtype)), problem.optimum @ problem.optimum
    linear, square = np.sqrt(d) * G * gap / mu, d * problem.beta2 * gap**2 / mu**2
    decaying = max(t0 * start, 16 * problem.G2 / mu**2) / (STEPS + t0)
    about = (mu, problem.G2, problem.beta2)
    return {
        "kappa": float(np.sqrt(d) * problem.beta2 * gap / (4 * mu * G)),
        "floor": sharp_floor(*about, d, gap),
        "relative_floor": relative_floor(*about, np.sqrt(start), d, dtype),
        "bound": float(linear + square + decaying),
        "rate_until": float(8 * G / (mu * np.sqrt(d) * gap) - t0),
    }


def constants_table() -> list[str]:
    """Lines of Markdown, one for each objective and format."""
    head = (
        "objective",
        "weights",
        "$\\kappa$",
        "$a^*$",
        "$a^\\circ$",
        "(4) at the end",
        "rate until",
    )
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for problem in (quadratic(seed=0), logistic(seed=0)):
        for dtype in DTYPES:
            found = constants(problem, dtype)
            until = f"{found['rate_until']:,.0f}" if found["rate_until"] > 0 else "none"
            sizes = [f"{found[name]:.3g}" for name in ("kappa", "floor", "relative_floor", "bound")]
            sizes[2] = "none" if sizes[2] == "inf" else sizes[2]
            lines.append(f"| {' | '.join([problem.name, dtype, *sizes, until])} |")
    return lines


def noise_beside_start(problem: Problem) -> str:
    """What the corollary's constant is the larger one of."""
    start = problem.t0 * (problem.optimum @ problem.optimum)
    noise = 32 / 3 * problem.G2 / problem.mu**2
    return f"{problem.name}: t0 {problem.t0:.0f}, t0 a0 {start:,.0f}, 32/3 G2/mu2 {noise:,.0f}"


def print_constants() -> None:
    """For the pages."""
    print("\n".join(constants_table()))
    for objective in (quadratic(seed=0), logistic(seed=0)):
        print(noise_beside_start(objective))
