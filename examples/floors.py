"""The floor that rounding sets, where theory says that it is attained: SGD and Adagrad.

``f(w) = |w - w*|^2 / 2`` in `dim` coordinates, of which a step moves a block of `moved`, chosen at
random, as a row of a table is.  The gradient of such a coordinate is ``dim / moved * (w - w* +-
NOISE)``, which is unbiased.  Weights are projected on [-1, 1]: the largest gap there is that of the
optimum.  Each repetition is a stretch of rows of one table; all formats see the same noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import report
from rounding_theory import relative_floor, rounding_variance, sharp_bound, sharp_floor, spacing

import lowprec as lp

COLORS = {
    "float16": "#2b7bba",
    "bfloat16": "#55a868",
    "float8_e4m3fn": "#dd8452",
    "float8_e5m2": "#8172b3",
}
NOISE, OPTIMUM = 0.3, 0.77  # of a coordinate; signs of the optimum are random
C = 2.0  # of SGD's rates c / (t + t0)
ADAGRAD_RATE = 0.03
CHUNK = 1000


@dataclass(frozen=True)
class Case:
    """An optimizer, how many coordinates there are and move at a step, and their optimum."""

    optimizer: str
    dim: int
    moved: int
    optimum: float = OPTIMUM

    @property
    def blocks(self) -> int:
        """How many there are to choose from; also one over the chance that a coordinate moves."""
        return self.dim // self.moved

    @property
    def name(self) -> str:
        """For people."""
        kind = "dense" if self.blocks == 1 else f"{self.moved} of {self.dim} coordinates a step"
        return f"{self.optimizer}, {kind}"

    @property
    def gradient2(self) -> float:
        """E|g|^2 at the optimum."""
        return self.blocks * self.dim * NOISE**2

    @property
    def beta2(self) -> float:
        """How E|g|^2 grows with the squared distance."""
        return float(self.blocks)

    @property
    def start(self) -> float:
        """The squared distance of zero."""
        return self.dim * self.optimum**2

    def schedule(self) -> lp.schedules.InverseTime:
        """SGD's rates, those of the theorem: t0 is 4 c beta^2 / mu^2."""
        t0 = 4 * C * self.beta2
        return lp.schedules.InverseTime(C / t0, decay=1 / t0)

    def make_optimizer(self) -> Any:
        """Of a table."""
        return lp.SGD(self.schedule()) if self.optimizer == "SGD" else lp.Adagrad(ADAGRAD_RATE)


CASES = tuple(Case(name, *size) for name in ("SGD", "Adagrad") for size in ((16, 16), (256, 4)))
RARE = Case("SGD", 16, 16, optimum=0.0)  # as weight decay makes it for a feature that says nothing


def gap(dtype: str) -> float:
    """The largest between -1 and 1, and that at the optimum."""
    return float(spacing(OPTIMUM, dtype))


def floor(case: Case, dtype: str) -> float:
    """The sharp floor."""
    return sharp_floor(1.0, case.gradient2, case.beta2, case.moved, gap(dtype))


def lower_floor(case: Case, dtype: str) -> float:
    """What no step sizes fixed in advance get below, were gaps the same everywhere."""
    return case.dim * gap(dtype) * NOISE / 2


def draws(case: Case, steps: int, repetitions: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each step, the block of each repetition, and the noise (repetitions, moved)."""
    rng = np.random.default_rng([2, case.dim])
    first = np.arange(repetitions) * case.blocks
    for start in range(0, steps, CHUNK):
        size = min(CHUNK, steps - start)
        rows = first + rng.integers(0, case.blocks, (size, repetitions))
        signs = rng.integers(0, 2, (size, repetitions, case.moved)) * 2 - 1
        yield from zip(rows, NOISE * signs, strict=True)


def train(case: Case, dtype: str, points: np.ndarray, repetitions: int) -> np.ndarray:
    """Squared distances (points, repetitions) after so many steps, from zero."""
    rng = np.random.default_rng(3)
    optimum = case.optimum * rng.choice([-1.0, 1.0], (repetitions * case.blocks, case.moved))
    table = lp.EmbeddingTable(
        len(optimum), case.moved, dtype, optimizer=case.make_optimizer(), init_range=0.0
    )
    wanted, distances = set(points.tolist()), []
    for step, (ids, noise) in enumerate(draws(case, points[-1], repetitions), start=1):
        rows = table.batch(ids)
        w = table.lookup(rows)
        if np.abs(w).max() > 1.0:  # rounded first and then projected, which is the same
            w = np.clip(w, -1.0, 1.0)
            table.write(ids, w)
        table.update(rows, (case.blocks * (w - optimum[ids] + noise)).astype(np.float32))
        if step in wanted:
            away = np.clip(table.weight.astype(np.float64), -1.0, 1.0) - optimum
            distances.append((away**2).reshape(repetitions, -1).sum(axis=1))
    return np.array(distances)


def predict(case: Case, dtypes: list[str], points: np.ndarray) -> np.ndarray:
    """Expected squared distances (points, dtypes): mean and mean square of one coordinate.

    Adagrad's sums are taken at their means.  Without the projection, and with the gap at the
    optimum everywhere.
    """
    delta, chance = np.array([gap(dtype) for dtype in dtypes]), 1 / case.blocks
    mean, square = np.full(len(delta), -OPTIMUM), np.full(len(delta), OPTIMUM**2)
    sums = np.zeros(len(delta))
    schedule, wanted, expected = case.schedule(), set(points.tolist()), []
    for step in range(points[-1]):
        gradient2 = (square + NOISE**2) / chance**2
        if case.optimizer == "SGD":
            rate: Any = schedule(step)
        else:
            rate = ADAGRAD_RATE / np.sqrt(sums + gradient2)
            sums += chance * gradient2
        scale = rate / chance
        deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
        steps = np.concatenate([mean + NOISE, mean - NOISE]) * np.tile(scale / delta, 2)
        rounding = rounding_variance(steps, np.tile(scale * deviation / delta, 2))
        variance = delta**2 * rounding.reshape(2, -1).mean(axis=0)
        moved = (1 - scale) ** 2 * square + (scale * NOISE) ** 2 + variance
        square = (1 - chance) * square + chance * moved
        mean = (1 - rate) * mean
        if step + 1 in wanted:
            expected.append(case.dim * square)
    return np.array(expected)


def bound(case: Case, dtype: str, points: np.ndarray) -> np.ndarray:
    """SGD: of the squared distance after so many steps.  Adagrad: of its mean until then."""
    sharp = floor(case, dtype)
    if case.optimizer == "SGD":
        return sharp_bound(1.0, case.gradient2, case.beta2, sharp, points, case.start, C)
    width2 = (1 + OPTIMUM) ** 2  # of the distance of a coordinate within the box
    found = np.full(len(points), case.dim * width2)
    for _ in range(100):  # sums are bounded by distances, which are bounded by sums
        sums = np.sqrt(case.dim * (case.gradient2 + case.beta2 * found) / points)
        found = np.minimum(found, sharp + (width2 / ADAGRAD_RATE + 2 * ADAGRAD_RATE) * sums)
    return found


def over_bound(case: Case, dtype: str, points: np.ndarray, found: np.ndarray) -> float:
    """The largest of (mean - 3 standard errors) / bound, of what the bound is of, at any point."""
    if case.optimizer == "Adagrad":  # means until then: of the distance at the start, or before
        before = np.vstack([np.full(found.shape[1], case.start), found[:-1]])
        found = np.cumsum(before * np.diff(points, prepend=0)[:, None], axis=0) / points[:, None]
    error = found.std(axis=1, ddof=min(1, found.shape[1] - 1)) / np.sqrt(found.shape[1])
    return float(((found.mean(axis=1) - 3 * error) / bound(case, dtype, points)).max())


def experiment(case: Case, steps: int, repetitions: int) -> dict[str, Any]:
    """Train in every format; distances over the last half of the steps, beside their floors."""
    late = np.linspace(steps // 2, steps, 101).astype(int)
    points = np.unique(np.concatenate([np.geomspace(10, steps, 80).astype(int), late]))
    tail = np.isin(points, late)
    predicted = predict(case, list(COLORS), points)
    formats = {}
    for dtype, told in zip(COLORS, predicted.T, strict=True):
        found, sharp = train(case, dtype, points, repetitions), floor(case, dtype)
        formats[dtype] = {
            "over_floor": report.Interval.of(found[tail].mean(axis=0) / sharp),
            "predicted_over_floor": float(told[tail].mean() / sharp),
            "floor": sharp,
            "lower_floor": lower_floor(case, dtype),
            "mean_squared_distance": found.mean(axis=1),
            "predicted": told,
            "bound": bound(case, dtype, points),
            "over_bound": over_bound(case, dtype, points, found),
        }
    about = {"case": case.name, "optimizer": case.optimizer, "dim": case.dim, "moved": case.moved}
    return {**about, "steps": steps, "points": points, "formats": formats}


def experiment_at_zero(steps: int, repetitions: int) -> dict[str, Any]:
    """The squared distance where the optimum is 0, with float32's and relative floors."""
    points = np.linspace(steps // 2, steps, 101).astype(int)
    found = {
        dtype: report.Interval.of(train(RARE, dtype, points, repetitions).mean(axis=0))
        for dtype in ("float32", *COLORS)
    }
    about = (1.0, RARE.gradient2, RARE.beta2, RARE.start**0.5, RARE.moved)
    floors = {dtype: relative_floor(*about, dtype) for dtype in COLORS}
    return {"steps": steps, "squared_distance": found, "relative_floor": floors}


def print_at_zero(result: dict[str, Any]) -> None:
    """For people."""
    steps = result["steps"]
    print(f"{RARE.name}, optimum at 0: squared distance, steps {steps // 2:,} to {steps:,}")
    for dtype, found in result["squared_distance"].items():
        sharp = result["relative_floor"].get(dtype)
        print(f"  {dtype:<20} {found:.2e}" + (f", relative floor {sharp:.2e}" if sharp else ""))


def print_result(result: dict[str, Any]) -> None:
    """For people."""
    steps = result["steps"]
    print(f"{result['case']}: mean of steps {steps // 2:,} to {steps:,} over the sharp floor")
    for dtype, found in result["formats"].items():
        ratio, told = found["over_floor"], found["predicted_over_floor"]
        numbers = f"{ratio:.3f}, predicted {told:.3f}, floor {found['floor']:.2e}"
        print(f"  {dtype:<20} {numbers}, (mean - 3 se) / bound {found['over_bound']:.2f}")


def draw(axis: Any, result: dict[str, Any]) -> None:
    """Measured, predicted, floor and bound of every format, in log-log."""
    points = result["points"]
    for dtype, found in result["formats"].items():
        color = COLORS[dtype]
        axis.loglog(points, found["mean_squared_distance"], color=color, linewidth=1.6, label=dtype)
        axis.loglog(points, found["predicted"], ":", color="black", linewidth=1.1)
        axis.axhline(found["floor"], linestyle="--", color=color, linewidth=0.9)
        if result["optimizer"] == "SGD":  # Adagrad's is of means, and far above
            axis.loglog(points, found["bound"], "-.", color=color, linewidth=0.9)
    axis.set(xlabel="steps", ylabel="squared distance", title=result["case"])
