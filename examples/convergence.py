"""The rate of SGD with stochastic rounding on strongly convex objectives, against theory.

Weights are rows of an embedding table.  They are updated with 1/t learning rates in float32 and
rounded after each step.  The optima of the two objectives are known: a quadratic, and logistic
regression with L2 regularisation (solved by SciPy).  In both, some coordinates have large gradients
and others small ones, like frequent and rare features.  Every repetition is a row of the table,
with its own gradient noise and random bits; all formats see the same noise.

The figure shows the squared distance to the optimum against steps, the prediction by the recursion
of docs/theory.md, which has no fitted parameters, and the bound of the theorem there.  The output
has slopes over the steps in which rounding is predicted to add less than a tenth, with 95 %
intervals over the repetitions, and the final distances.

examples:
  python examples/convergence.py
  python examples/convergence.py --full
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import report
from scipy import optimize, special

import lowprec as lp

VARIANTS = (
    *report.VARIANTS,
    report.Variant("bfloat16", "nearest", "#e8b4b6"),
    report.Variant("bfloat16", "stochastic", "#8fc1e3", "--"),
)
REPETITIONS = 20
STEPS, STEPS_IN_FULL = 50_000, 200_000  # nearest stalls after 30,000 of the second problem
POINTS = 80  # of a curve, at distances that are equal in log(steps)
CHUNK = 1000  # steps whose noise is drawn at once
NEGLIGIBLE = 0.1  # of the squared distance


@dataclass(frozen=True)
class Problem:
    """A strongly convex objective, seen through noisy gradients.

    Its constants are those of docs/theory.md: f is `mu`-strongly convex, and E|g|^2 at w is at most
    ``G2 + beta2 * |w - optimum|^2``.  `hessian` and `noise`, the covariance of the gradient, are
    taken at the optimum; the prediction needs them, the bound does not.
    """

    name: str
    optimum: np.ndarray  # (d,) float64
    hessian: np.ndarray  # (d, d)
    noise: np.ndarray  # (d, d)
    mu: float
    G2: float
    beta2: float
    draw: Callable[[np.random.Generator, int], np.ndarray]  # what is random in some steps
    gradient: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (R, d), a step's draws -> (R, d)

    @property
    def t0(self) -> float:
        """Learning rates are ``4 / (mu * (t + t0))``, in the theorem and here."""
        return 4.0 * self.beta2 / self.mu**2

    def schedule(self) -> lp.schedules.InverseTime:
        """The learning rates."""
        return lp.schedules.InverseTime(4.0 / (self.mu * self.t0), decay=1.0 / self.t0)


# Coordinates with large gradients and much noise, and ones with small gradients and little.
LOUD, QUIET = 4, 12


def quadratic(seed: int) -> Problem:
    """f(w) = sum of h_i (w_i - optimum_i)^2 / 2; gradients with Gaussian noise."""
    rng = np.random.default_rng(seed)
    d = LOUD + QUIET
    optimum = rng.uniform(0.6, 0.9, d) * rng.choice([-1.0, 1.0], d)  # one binade, one spacing
    h = np.concatenate([np.ones(LOUD), np.geomspace(0.1, 0.3, QUIET)])
    sigma = np.concatenate([np.full(LOUD, 0.3), np.full(QUIET, 0.001)])
    return Problem(
        "quadratic",
        optimum,
        hessian=np.diag(h),
        noise=np.diag(sigma**2),
        mu=float(h.min()),
        G2=float((sigma**2).sum()),
        beta2=float(h.max() ** 2),
        draw=lambda rng, steps: sigma * rng.normal(size=(steps, d)),
        gradient=lambda w, xi: h * (w - optimum) + xi,
    )


def logistic(seed: int) -> Problem:
    """The mean log loss of 2,000 samples plus (0.05 / 2) |w|^2; gradients of 32 of the samples."""
    rng = np.random.default_rng(seed)
    n, batch, l2, d = 2000, 32, 0.05, LOUD + QUIET
    X = rng.normal(size=(n, d)) * np.concatenate([np.full(LOUD, 0.5), np.full(QUIET, 0.05)])
    sign = np.where(rng.random(n) < special.expit(X @ rng.normal(scale=2.0, size=d)), 1.0, -1.0)

    def slopes(w: np.ndarray, X: np.ndarray, sign: np.ndarray) -> np.ndarray:
        """The derivative of each sample's loss by its score."""
        return -sign * special.expit(-sign * np.einsum("...d,...d->...", X, w))

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        mean = np.logaddexp(0, -sign * (X @ w)).mean()
        return mean + l2 / 2 * w @ w, slopes(w, X, sign) @ X / n + l2 * w

    def hessian(w: np.ndarray) -> np.ndarray:
        p = special.expit(X @ w)
        return (X.T * (p * (1 - p))) @ X / n + l2 * np.eye(d)

    found = optimize.minimize(
        loss, np.zeros(d), jac=True, hess=hessian, method="trust-exact", options={"gtol": 1e-11}
    )
    optimum = found.x
    if np.abs(loss(optimum)[1]).max() > 1e-10:
        raise RuntimeError(f"SciPy stopped short of the optimum: {found.message}")
    single = slopes(optimum, X, sign)[:, None] * X + l2 * optimum  # gradients at the optimum
    smoothness = l2 + (X**2).sum(axis=1) / 4

    def gradient(w: np.ndarray, samples: np.ndarray) -> np.ndarray:
        x = X[samples]  # (R, batch, d)
        return np.einsum("rb,rbd->rd", slopes(w[:, None], x, sign[samples]), x) / batch + l2 * w

    return Problem(
        "logistic regression",
        optimum,
        hessian=hessian(optimum),
        noise=np.cov(single.T) / batch,
        mu=l2,
        G2=2 * float((single**2).sum(axis=1).mean()) / batch,
        beta2=2 * float((smoothness**2).mean()),
        draw=lambda rng, steps: rng.integers(0, n, (steps, batch)),
        gradient=gradient,
    )


def train(
    problem: Problem, variant: report.Variant, points: np.ndarray, repetitions: int
) -> np.ndarray:
    """Squared distances (points, repetitions) to the optimum after so many steps, from zero."""
    table = lp.EmbeddingTable(
        repetitions, len(problem.optimum), variant.dtype, variant.rounding,
        lp.SGD(problem.schedule()), init_range=0.0,
    )  # fmt: skip
    rows = table.batch(np.arange(repetitions))
    rngs = [np.random.default_rng([1, r]) for r in range(repetitions)]
    wanted, distances = set(points.tolist()), []
    for start in range(0, points[-1], CHUNK):
        draws = np.stack([problem.draw(rng, CHUNK) for rng in rngs], axis=1)
        for step in range(start, min(start + CHUNK, points[-1])):
            grad = problem.gradient(table.lookup(rows), draws[step - start])
            table.update(rows, grad.astype(np.float32))
            if step + 1 in wanted:
                away = table.weight.astype(np.float64) - problem.optimum
                distances.append((away**2).sum(axis=1))
    return np.array(distances)


# --- theory ---


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


def bound(problem: Problem, variant: report.Variant, points: np.ndarray) -> np.ndarray:
    """The theorem's bound of the expected squared distance; weights stay below 2 here."""
    mu, d = problem.mu, len(problem.optimum)
    constant = max(problem.t0 * problem.optimum @ problem.optimum, 16 * problem.G2 / mu**2)
    delta = 0.0 if variant.dtype == "float32" else float(spacing(1.0, variant.dtype))
    rho = delta * np.sqrt(d * problem.G2) + d * delta**2 * problem.beta2 / (2 * mu)
    return constant / (points + problem.t0) + 2 * rho / mu


# --- the experiment ---


def slopes(problem: Problem, points: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Of log(distance) over log(t + t0), one for each repetition, by least squares."""
    x = np.log(points + problem.t0)
    x -= x.mean()
    return x @ np.log(distances) / (x @ x)


def rate_window(
    problem: Problem, points: np.ndarray, float32: np.ndarray, stochastic: np.ndarray
) -> np.ndarray:
    """Which points show the 1/t rate by the predictions: after the start, before rounding."""
    settled = float32 * (points + problem.t0)  # constant where the distance goes as 1/t
    after = np.abs(settled / settled[-1] - 1) < 2 * NEGLIGIBLE
    return after & (stochastic < (1 + NEGLIGIBLE) * float32)


def experiment(problem: Problem, steps: int, repetitions: int) -> dict[str, Any]:
    """Train with every variant, and put measured beside predicted."""
    points = np.unique(np.geomspace(10, steps, POINTS).astype(int))
    measured = {v.name: train(problem, v, points, repetitions) for v in VARIANTS}
    followed = [v for v in VARIANTS if v is report.FLOAT32 or v.rounding == "stochastic"]
    predicted = {v.name: predict(problem, v, points) for v in followed}
    bounds = {v.name: bound(problem, v, points) for v in followed}
    names = (report.FLOAT32.name, report.STOCHASTIC.name)
    window = rate_window(problem, points, *(predicted[name] for name in names))
    fits = {name: slopes(problem, points[window], measured[name][window]) for name in names}
    tail = points >= steps / 4
    ends = {name: report.Interval.of(found[tail].mean(axis=0)) for name, found in measured.items()}
    return {
        "problem": problem.name,
        "t0": problem.t0,
        "window": [int(points[window][0]), int(points[window][-1])],
        "slopes": {name: report.Interval.of(fit) for name, fit in fits.items()},
        "slope_difference": report.Interval.of(fits[names[1]] - fits[names[0]]),
        "predicted_slopes": {
            name: float(slopes(problem, points[window], predicted[name][window])) for name in names
        },
        "final_squared_distance": ends,
        "predicted_final": {name: float(found[tail].mean()) for name, found in predicted.items()},
        "points": points,
        "mean_squared_distance": {name: found.mean(axis=1) for name, found in measured.items()},
        "predicted": predicted,
        "bound": bounds,
    }


def print_result(result: dict[str, Any]) -> None:
    """For people."""
    first, last = result["window"]
    print(f"{result['problem']}: slopes from step {first:,} to {last:,}")
    for name, slope in result["slopes"].items():
        print(f"  {name:<20} {slope:.3f}, predicted {result['predicted_slopes'][name]:.3f}")
    told = result["predicted_slopes"]
    difference = told[report.STOCHASTIC.name] - told[report.FLOAT32.name]
    print(f"  difference           {result['slope_difference']:+.3f}, predicted {difference:+.3f}")
    last = result["points"][-1]
    print(f"  squared distance, mean from step {last // 4:,} to {last:,}")
    ends, told = result["final_squared_distance"], result["predicted_final"]
    for name, end in ends.items():
        print(f"  {name:<20} {end:.2e}" + (f", predicted {told[name]:.2e}" if name in told else ""))
    coarse, fine = "bfloat16 stochastic", report.STOCHASTIC.name
    ratio = ends[coarse].mean / ends[fine].mean
    print(f"  bfloat16 / float16   {ratio:.1f}, predicted {told[coarse] / told[fine]:.1f}")


def draw(results: list[dict[str, Any]], path: str) -> None:
    """Measured, predicted and bound of every problem, in log-log."""
    figure, axes = report.figure(len(results), height=4.6)
    for axis, result in zip(axes, results, strict=True):
        points = result["points"]
        for variant in VARIANTS:
            name = variant.name
            width = 3.0 if variant is report.FLOAT32 else 1.8
            mean = result["mean_squared_distance"][name]
            axis.loglog(points, mean, color=variant.color, label=name, linewidth=width)
            if name in result["predicted"]:
                axis.loglog(points, result["predicted"][name], ":", color="black", linewidth=1.2)
        stochastic = result["bound"][report.STOCHASTIC.name]
        axis.loglog(points, stochastic, "-.", color=report.STOCHASTIC.color, linewidth=1.0)
        axis.axvspan(*result["window"], color="#f0f0f0", zorder=0)
        axis.set(xlabel="steps", ylabel="squared distance to the optimum", title=result["problem"])
    axes[0].plot([], [], ":", color="black", label="predicted")
    axes[0].plot(
        [], [], "-.", color=report.STOCHASTIC.color, label="bound, float16 stochastic", linewidth=1
    )
    report.legend_below(figure, axes[0])
    report.save_figure(figure, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = report.parser(__doc__, "convergence")
    parser.add_argument("--steps", type=int, help=f"default: {STEPS}; --full: {STEPS_IN_FULL}")
    options = parser.parse_args(arguments)
    options.seeds = options.seeds or REPETITIONS
    options.steps = options.steps or (STEPS_IN_FULL if options.full else STEPS)
    return options


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Both problems; print the slopes and the ends, save the figure and the numbers."""
    options = parse_arguments(arguments)
    results = []
    for problem in (quadratic(seed=0), logistic(seed=0)):
        results.append(experiment(problem, options.steps, options.seeds))
        print_result(results[-1])
    draw(results, options.figure)
    report.write_json(options.json, {"repetitions": options.seeds, "problems": results})
    return results


if __name__ == "__main__":
    main()
