"""Averages of iterates on objectives whose optimum is known; `python -m benchmarks.averaging`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lowprec as lp
from benchmarks.report import markdown_table

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import objectives
from rounding_theory import rounding_variance, spacing

STEPS, REPETITIONS, CHUNK = 2**16, 80, 1024
FIRST = 256  # steps before the first average
BOX = 8.0  # without L2, no weight is larger: the run says so
RATES = {"quadratic": 0.5, "logistic regression": 2.0}  # constant; of the order of one over L
DTYPES = ("float32", "float16", "bfloat16", "float8_e4m3fn")


def distance(w: NDArray[Any], problem: Any) -> NDArray[np.float64]:
    """Squared, of each repetition."""
    found: NDArray[np.float64] = ((w - problem.optimum) ** 2).sum(axis=1)
    return found


def descend(problem: Any, dtype: str, rate: Any, steps: int, repetitions: int) -> dict[str, Any]:
    """Mean squared distances: of the last iterate and of averages of the last half of the steps.

    "exact" are averages at powers of two; "float16" is one that was rounded whenever it changed.
    """
    table = lp.EmbeddingTable(
        repetitions, len(problem.optimum), dtype, optimizer=lp.SGD(rate), init_range=0.0
    )
    rows, rng = table.batch(np.arange(repetitions)), np.random.default_rng(1)
    total, stored = np.zeros(table.weight.shape), np.zeros(table.weight.shape, np.float32)
    sums: dict[int, NDArray[np.float64]] = {}
    averages: dict[int, float] = {}
    for step in range(steps + 1):  # w is the iterate after so many steps
        w = table.lookup(rows)
        if step >= FIRST and step & (step - 1) == 0:
            sums[step] = total.copy()
            if step > FIRST:
                mean = (total - sums[step // 2]) / (step // 2)
                averages[step] = float(distance(mean, problem).mean())
        if step == steps:
            break
        total += w
        if step >= steps // 2:
            moved = stored + (w - stored) / np.float32(step - steps // 2 + 1)
            stored = lp.stochastic_round(moved, "float16", seed=step).astype(np.float32)
        if step % CHUNK == 0:
            draws = [problem.draw(rng, repetitions) for _ in range(CHUNK)]
        table.update(rows, problem.gradient(w, draws[step % CHUNK]).astype(np.float32))
    return {
        "last": float(distance(w, problem).mean()),
        "exact": averages,
        "float16": float(distance(stored, problem).mean()),
    }


def predicted(problem: Any, dtype: str, rate: float, steps: int) -> float:
    """The squared distance of the average of the last half at a constant rate, of a quadratic."""
    noise, h = np.diag(problem.noise), np.diag(problem.hessian)
    gap, added, none = spacing(problem.optimum, dtype), np.zeros(len(h)), np.zeros(len(h))
    if dtype != "float32":
        for _ in range(100):  # rounding by the gradients, and these by where rounding leads
            spread = (rate**2 * noise + added) / (1 - (1 - rate * h) ** 2)
            moved = rate * np.sqrt(noise + h**2 * spread)
            added = gap**2 * rounding_variance(none, moved / gap)
    return float(((noise + added / rate**2) / h**2).sum() / (steps / 2))


def descents(steps: int, repetitions: int) -> list[dict[str, Any]]:
    """Every format at both kinds of rates, on both objectives."""
    found = []
    for problem in (objectives.quadratic(seed=0), objectives.logistic(seed=0)):
        for dtype in DTYPES:
            falling = descend(problem, dtype, problem.schedule(), steps, repetitions)
            constant = descend(problem, dtype, RATES[problem.name], steps, repetitions)
            one = {"problem": problem.name, "dtype": dtype, "falling": falling["last"], **constant}
            if problem.name == "quadratic":
                one["predicted"] = {
                    step: predicted(problem, dtype, RATES[problem.name], step)
                    for step in constant["exact"]
                }
            found.append(one)
    return found


def without_l2(steps: int, repetitions: int) -> list[dict[str, Any]]:
    """How far the average of all steps is above the least log loss, and the bound of Theorem 5."""
    X, sign = objectives.samples(seed=0)
    optimum, batch = objectives.minimiser(X, sign, l2=0.0), 32
    G2, distance2 = float((X**2).sum(axis=1).mean()), float(optimum @ optimum)
    rate, d = math.sqrt(distance2 / (G2 * steps)), len(optimum)
    found = []
    for dtype in DTYPES:
        table = lp.EmbeddingTable(repetitions, d, dtype, optimizer=lp.SGD(rate), init_range=0.0)
        rows, rng = table.batch(np.arange(repetitions)), np.random.default_rng(1)
        total, largest = np.zeros((repetitions, d)), 0.0
        for _ in range(steps):
            w = table.lookup(rows)
            total += w
            largest = max(largest, float(np.abs(w).max()))
            drawn = rng.integers(0, len(X), (repetitions, batch))
            slopes = objectives.slopes(w[:, None], X[drawn], sign[drawn])
            table.update(rows, np.einsum("rb,rbd->rd", slopes, X[drawn]).astype("f4") / batch)
        least = objectives.log_loss(optimum, X, sign, 0.0)
        values = [objectives.log_loss(w, X, sign, 0.0) - least for w in total / steps]
        gap = 0.0 if dtype == "float32" else float(spacing(BOX / 2, dtype))
        rounding = math.sqrt(d * G2) * gap / 2
        found.append({
            "dtype": dtype, "excess": float(np.mean(values)), "largest_weight": largest,
            "bound": math.sqrt(distance2 * G2 / steps) + rounding, "of_rounding": rounding,
        })  # fmt: skip
    return found


def compare(steps: int, repetitions: int = REPETITIONS) -> str:
    """Both experiments, as Markdown."""
    rows, found = [], descents(steps, repetitions)
    for one in found:
        told = f"{one['predicted'][steps]:.1e}" if "predicted" in one else ""
        rows.append([
            one["problem"], one["dtype"], f"{one['falling']:.1e}", f"{one['last']:.1e}",
            f"{one['exact'][steps]:.1e}", told, f"{one['float16']:.1e}",
        ])  # fmt: skip
    header = (
        "objective", "weights", "last iterate, rates fall", "last, constant rate",
        "average", "predicted", "average in float16",
    )  # fmt: skip
    text = markdown_table(header, rows) + "\nThe average on the quadratic over its prediction:\n\n"
    of_dtype = {one["dtype"]: one for one in found if "predicted" in one}
    powers = sorted(of_dtype["float32"]["exact"])
    rows = [
        [dtype, *(f"{one['exact'][step] / one['predicted'][step]:.2f}" for step in powers)]
        for dtype, one in of_dtype.items()
    ]
    text += markdown_table(("weights", *(f"{step:,} steps" for step in powers)), rows)
    of_loss = [
        [
            one["dtype"], f"{one['excess']:.1e}", f"{one['bound']:.1e}",
            f"{one['of_rounding']:.1e}" if one["of_rounding"] else "",
            f"{one['largest_weight']:.2f}",
        ]
        for one in without_l2(steps, repetitions)
    ]  # fmt: skip
    header = (
        "weights",
        "log loss above the least",
        "bound",
        "of that by rounding",
        "largest weight",
    )
    return f"{text}\n{markdown_table(header, of_loss)}"
