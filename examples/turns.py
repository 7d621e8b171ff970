"""Models that train in turns, so that their times compare on a noisy machine."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import numpy as np
import report
from numpy.typing import NDArray

import lowprec as lp
from benchmarks.data import FEATURES, draw_clicks
from benchmarks.timing import interleaved, ratio, spread
from lowprec.tables import verbs

WARM_UP, CHUNKS = 2, 3  # turns, and what they rotate through


@dataclass(frozen=True)
class Shape:
    """A DLRM to train: its tables, both its MLPs, its batches, and their ids."""

    rows: int  # of all tables together
    dim: int
    hidden: tuple[int, ...]
    batch: int
    ids: str = "uniform"
    pooling: int = 1  # ids of a sample in each table

    @property
    def name(self) -> str:
        """As results have it."""
        rows, hidden = f"{self.rows:.0e}".replace("e+0", "e"), "-".join(map(str, self.hidden))
        pooled = f", {self.pooling} ids a feature" if self.pooling > 1 else ""
        return f"{rows} x {self.dim}, MLPs of {hidden}, {self.ids}{pooled}"

    def draw(self, seed: int, samples: int) -> tuple[tuple[NDArray[Any], ...], NDArray[np.float32]]:
        """X and y of clicks with nothing to learn."""
        dense, indices, y = draw_clicks(
            seed, samples, self.rows // FEATURES, self.ids, self.pooling
        )
        if self.pooling == 1:
            return (dense, indices), y
        offsets = np.arange(0, indices.size + 1, self.pooling)
        return (dense, indices.reshape(-1), offsets), y


@dataclass
class Trainee:
    """A model, and the seconds that its turns took: in all, in lookups and in updates."""

    model: lp.DLRM
    total: list[float] = field(default_factory=list)
    lookup: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)
    watched: bool = False  # whether lookups and updates are timed

    @property
    def embedding(self) -> list[float]:
        """Seconds of each turn in the tables."""
        return [a + b for a, b in zip(self.lookup, self.update, strict=True)]

    def train(self, samples: tuple[Any, ...]) -> None:
        """One turn."""
        self.lookup.append(0.0)
        self.update.append(0.0)
        with self._watched_table() if self.watched else contextlib.nullcontext():
            started = time.perf_counter()
            self.model.partial_fit(*samples)
            self.total.append(time.perf_counter() - started)

    @contextlib.contextmanager
    def _watched_table(self) -> Iterator[None]:
        """Times the table's lookups and updates, as the model asks for them."""
        table = self.model.table_
        with (
            mock.patch.object(table, "lookup", self._timed(table.lookup, self.lookup)),
            mock.patch.object(verbs, "update", self._timed(verbs.update, self.update)),
        ):
            yield

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
    chunks = [shape.draw(seed + i, batches * shape.batch) for i in range(CHUNKS)]
    trainees = {name: Trainee(model) for name, model in models.items()}

    def turn(trainee: Trainee) -> Callable[[int], None]:
        return lambda number: trainee.train(chunks[number % len(chunks)])

    turns = {name: turn(trainee) for name, trainee in trainees.items()}
    interleaved(turns, WARM_UP, seed)  # compiles
    for trainee in trainees.values():
        trainee.watched = True
        for seconds in (trainee.total, trainee.lookup, trainee.update):
            seconds.clear()
    interleaved(turns, rounds, seed)
    for trainee in trainees.values():
        trainee.watched = False
    return trainees


def speed_up(slow: list[float], fast: list[float]) -> dict[str, float]:
    """How many times faster, round by round: the median and the quartiles."""
    found = ratio(fast, slow)
    return {"median": found.median, "low": found.low, "high": found.high}


def median(seconds: list[float]) -> float:
    """The middle of the rounds."""
    return spread(seconds).median


def quartiles(seconds: list[float], batches: int) -> tuple[float, float]:
    """Of the milliseconds a step."""
    found = spread(seconds)
    return 1e3 * found.low / batches, 1e3 * found.high / batches


def told(ratio: dict[str, float]) -> str:
    """A ratio and its quartiles, for people."""
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def whisker(axis: Any, low: float, high: float, y: float) -> None:
    """A line from one quartile to the other, beside the middle of a bar."""
    middle, half = (low + high) / 2, (high - low) / 2
    axis.errorbar(middle, y, xerr=half, fmt="none", ecolor="black", elinewidth=1, capsize=2)


# --- the command line of such an experiment ---


def parser(
    description: str | None, name: str, rounds: int, batches: int
) -> argparse.ArgumentParser:
    """The options of every experiment, and how large and how often the turns are."""
    made = report.parser(description, name, seeds=False)
    made.add_argument("--rows", type=int, help="of the tables; default: the documented ones")
    made.add_argument(
        "--rounds", type=int, default=rounds, help=f"turns of each model; default {rounds}"
    )
    made.add_argument(
        "--batches", type=int, default=batches, help=f"steps of a turn; default {batches}"
    )
    return made


def run(
    options: argparse.Namespace,
    shapes: Sequence[Shape],
    compare: Callable[[Shape, int, int], dict[str, Any]],
    print_result: Callable[[dict[str, Any]], None],
    table: Callable[[list[dict[str, Any]]], str],
    draw: Callable[[list[dict[str, Any]], str], None],
) -> list[dict[str, Any]]:
    """Compare the models of every shape; print, save the figure and the numbers."""
    results = []
    for shape in shapes:
        if options.rows:
            shape = replace(shape, rows=options.rows)
        results.append(compare(shape, options.batches, options.rounds))
        print_result(results[-1])
    print(f"\n{table(results)}")
    draw(results, options.figure)
    report.write_json(options.json, {"results": results})
    return results
