"""Models that train in turns, so that their times compare on a noisy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import lowprec as lp
from benchmarks.data import FEATURES, NUM_DENSE, draw_ids
from benchmarks.timing import interleaved, spread

WARM_UP = 2  # turns


@dataclass(frozen=True)
class Shape:
    """A DLRM to train: its tables, both its MLPs, its batches, and how their ids are spread."""

    rows: int  # of all tables together
    dim: int
    hidden: tuple[int, ...]
    batch: int
    ids: str = "uniform"

    @property
    def name(self) -> str:
        """As results have it."""
        hidden = "-".join(map(str, self.hidden))
        return f"{self.rows:.0e} x {self.dim}, MLPs of {hidden}, {self.ids}".replace("e+0", "e")


@dataclass
class Trainee:
    """A model, and the seconds that its turns took: in all, in lookups and in updates."""

    model: lp.DLRM
    total: list[float] = field(default_factory=list)
    lookup: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)

    @property
    def embedding(self) -> list[float]:
        """Seconds of each turn in the tables."""
        return [a + b for a, b in zip(self.lookup, self.update, strict=True)]

    def train(self, samples: tuple[Any, ...]) -> None:
        """One turn."""
        dense, indices, y = samples
        self.lookup.append(0.0)
        self.update.append(0.0)
        started = time.perf_counter()
        self.model.partial_fit((dense, indices), y)
        self.total.append(time.perf_counter() - started)

    def watch_table(self) -> None:
        """Time the table's lookups and updates from now on."""
        table = self.model.table_
        table.lookup = self._timed(table.lookup, self.lookup)
        table._update = self._timed(table._update, self.update)

    def _timed(self, method: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            result = method(*arguments, **options)
            seconds[-1] += time.perf_counter() - started
            return result

        return timed


def make_model(shape: Shape, dtype: str, rounding: str, optimizer: lp.SGD) -> lp.DLRM:
    """An untrained model of a shape."""
    return lp.DLRM(
        [shape.rows // FEATURES] * FEATURES, shape.dim, bottom_mlp=shape.hidden,
        top_mlp=shape.hidden, dtype=dtype, rounding=rounding, optimizer=optimizer,
        dense_optimizer=lp.SGD(0.02), batch_size=shape.batch,
    )  # fmt: skip


def train_in_turns(
    shape: Shape, models: dict[str, lp.DLRM], batches: int, rounds: int, seed: int
) -> dict[str, Trainee]:
    """Give each model a turn of `batches` in each round, in an order that is new each time."""
    rng = np.random.default_rng(seed)
    samples = batches * shape.batch
    chunks = [
        (
            rng.normal(size=(samples, NUM_DENSE)).astype(np.float32),
            draw_ids(rng, shape.rows // FEATURES, (samples, FEATURES), shape.ids),
            (rng.random(samples) < 0.25).astype(np.float32),
        )
        for _ in range(3)
    ]
    trainees = {name: Trainee(model) for name, model in models.items()}

    def turn(trainee: Trainee) -> Callable[[int], None]:
        return lambda number: trainee.train(chunks[number % len(chunks)])

    turns = {name: turn(trainee) for name, trainee in trainees.items()}
    interleaved(turns, WARM_UP, seed)  # compiles
    for trainee in trainees.values():
        trainee.watch_table()
        for seconds in (trainee.total, trainee.lookup, trainee.update):
            seconds.clear()
    interleaved(turns, rounds, seed)
    return trainees


def speed_up(slow: list[float], fast: list[float]) -> dict[str, float]:
    """How many times faster, round by round: the median and the quartiles."""
    found = spread([s / f for s, f in zip(slow, fast, strict=True)])
    return {"median": found.median, "low": found.low, "high": found.high}


def median(seconds: list[float]) -> float:
    """The middle of the rounds."""
    return statistics.median(seconds)
