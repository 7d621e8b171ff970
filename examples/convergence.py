"""The rate and the noise floor of SGD with stochastic rounding on strongly convex objectives.

Weights are rows of an embedding table.  They are updated in float32 and rounded after each step.

The rate: the optima of two objectives are known: a quadratic, and logistic regression with L2
regularisation (solved by SciPy).  In both, some coordinates have large gradients and others small
ones, like frequent and rare features.  Learning rates fall as 1/t.  The output has slopes over the
steps in which rounding is predicted to add less than a tenth, with 95 % intervals over the
repetitions, and the final distances.

The floor: a quadratic on which the bound of docs/theory/floor.md is attained, by SGD and Adagrad,
with dense and sparse gradients, in four formats.  The output has the squared distance divided by
the sharp floor.

Every repetition is a row of the table (a range of rows for sparse gradients), with its own gradient
noise and random bits; all formats see the same noise.  The figure shows the squared distance to the
optimum against steps, the prediction of docs/theory/prediction.md, which has no fitted parameters,
the sharp floors and the bounds.

examples:
  python examples/convergence.py
  python examples/convergence.py --full
"""

from __future__ import annotations

import argparse
from typing import Any

import floors
import numpy as np
import report
from objectives import Problem, logistic, quadratic
from rounding_theory import bound, floor, predict, print_constants

import lowprec as lp

VARIANTS = (
    *report.VARIANTS,
    report.Variant("bfloat16", "nearest", "#e8b4b6"),
    report.Variant("bfloat16", "stochastic", "#8fc1e3", "--"),
)
REPETITIONS = 20
STEPS, STEPS_IN_FULL = 50_000, 200_000  # nearest stalls after 30,000 of the second problem
# Steps of the floors over those, by default and in full: blocks take longer, each moving rarely.
DENSE_SHARE, SPARSE_SHARE = (0.2, 0.25), (0.5, 1.5)
POINTS = 80  # of a curve, at distances that are equal in log(steps)
CHUNK = 1000  # steps whose noise is drawn at once
NEGLIGIBLE = 0.1  # of the squared distance


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
        "floor": {v.name: floor(problem, v) for v in followed},
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


def draw_rate(axis: Any, result: dict[str, Any]) -> None:
    """Measured, predicted, floor and bound of a problem, in log-log."""
    points = result["points"]
    for variant in VARIANTS:
        name = variant.name
        width = 3.0 if variant is report.FLOAT32 else 1.8
        mean = result["mean_squared_distance"][name]
        axis.loglog(points, mean, color=variant.color, label=name, linewidth=width)
        if name in result["predicted"]:
            axis.loglog(points, result["predicted"][name], ":", color="black", linewidth=1.2)
    name, color = report.STOCHASTIC.name, report.STOCHASTIC.color
    axis.loglog(points, result["bound"][name], "-.", color=color, linewidth=0.9)
    axis.axhline(result["floor"][name], linestyle=(0, (5, 4)), color=color, linewidth=0.9)
    axis.axvspan(*result["window"], color="#f0f0f0", zorder=0)
    axis.set(xlabel="steps", ylabel="squared distance", title=f"SGD, {result['problem']}")


def draw(rates: list[dict[str, Any]], flat: list[dict[str, Any]], path: str) -> None:
    """The rates in the first row, the floors of each optimizer below."""
    figure, axes = report.figure(2, height=11.0, rows=3)
    for axis, result in zip(axes[0], rates, strict=True):
        draw_rate(axis, result)
    for axis, result in zip(axes[1:].flat, flat, strict=True):
        floors.draw(axis, result)
    for axis in (axes[0, 0], axes[1, 0]):
        axis.plot([], [], ":", color="black", label="predicted")
    for label, line in (("sharp floor", "--"), ("bound", "-.")):
        axes[0, 0].plot(
            [], [], line, color=report.STOCHASTIC.color, label=f"{label}, float16", linewidth=0.9
        )
        axes[1, 0].plot([], [], line, color="black", label=label, linewidth=0.9)
    axes[0, 0].legend(fontsize="x-small", frameon=False)
    axes[1, 0].legend(fontsize="x-small", frameon=False, ncols=2)
    report.save_figure(figure, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = report.parser(__doc__, "convergence")
    parser.add_argument("--steps", type=int, help=f"default: {STEPS}; --full: {STEPS_IN_FULL}")
    parser.add_argument(
        "--constants", action="store_true", help="only print the constants of the theory's bounds"
    )
    options = parser.parse_args(arguments)
    options.seeds = options.seeds or REPETITIONS
    options.steps = options.steps or (STEPS_IN_FULL if options.full else STEPS)
    return options


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Rates and floors: print what was found, save the figure and the numbers."""
    options = parse_arguments(arguments)
    if options.constants:
        print_constants()
        return []
    rates, flat = [], []
    for problem in (quadratic(seed=0), logistic(seed=0)):
        rates.append(experiment(problem, options.steps, options.seeds))
        print_result(rates[-1])
    for case in floors.CASES:
        share = (DENSE_SHARE if case.blocks == 1 else SPARSE_SHARE)[options.full]
        flat.append(floors.experiment(case, int(share * options.steps), options.seeds))
        floors.print_result(flat[-1])
    rare = floors.experiment_at_zero(int(DENSE_SHARE[options.full] * options.steps), options.seeds)
    floors.print_at_zero(rare)
    draw(rates, flat, options.figure)
    found = {"repetitions": options.seeds, "problems": rates, "floors": flat, "at_zero": rare}
    report.write_json(options.json, found)
    return rates


if __name__ == "__main__":
    main()
