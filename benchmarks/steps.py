"""How much of a model's step is kernels and matrix products, and how much is Python around them.

    NUMBA_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.steps

Steps with a clock around each kernel take turns with steps without: the kernels' time is the sum
over the former, and what is outside is the time of the latter without that.  Of tables and layers
with next to no numbers, the kernels leave Python's own memory in the caches.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

import lowprec as lp
from benchmarks import machine
from benchmarks.report import markdown_table
from lowprec.kernels.cpu.launch import launch
from lowprec.models.steps import step
from lowprec.models.training import labelled_for

ROWS, FEATURES, DENSE = 100_000, 26, 13
BATCHES = 128, 512, 2048
PREPARED = 20  # batches that take turns


class Part(NamedTuple):
    """Of one step: kernels that were launched, and their seconds."""

    launches: int
    seconds: float


def models(rows: int, features: int) -> dict[str, Callable[[int], Any]]:
    """What is measured, by name: makes a model for a batch size."""
    sizes, both = [rows] * features, {"epochs": 1, "seed": 0}
    return {
        "logistic": lambda size: lp.LogisticRegression(sizes, batch_size=size, **both),
        "DLRM, layers of 64": lambda size: lp.DLRM(
            sizes, bottom_mlp=(64,), top_mlp=(64,), batch_size=size, **both
        ),
        "DLRM, layers of 512 and 256": lambda size: lp.DLRM(sizes, batch_size=size, **both),
    }


def tiny(size: int) -> Any:
    """A DLRM whose kernels have next to nothing to do."""
    return lp.DLRM([10] * 2, 1, (2, 2), (2, 2), batch_size=size, epochs=1, seed=0)


@contextmanager
def timed(found: list[float]) -> Iterator[None]:
    """Append the seconds of each kernel that is launched."""

    def clocked(kernel: Any, threads: int, *arguments: Any) -> Any:
        start = time.perf_counter()
        result = launch(kernel, threads, *arguments)
        found.append(time.perf_counter() - start)
        return result

    modules = [
        module
        for name, module in sys.modules.items()
        if name.startswith("lowprec.kernels.cpu.") and getattr(module, "launch", None) is launch
    ]
    users: list[Any] = [each for each in modules if each.__name__ != launch.__module__]
    for module in users:
        module.launch = clocked
    try:
        yield
    finally:
        for module in users:
            module.launch = launch


def measure(make: Callable[[int], Any], size: int, features: int, rounds: int) -> list[str]:
    """A line of the table: launches, milliseconds a step, microseconds in kernels and outside."""
    rng = np.random.default_rng(0)
    samples = size * PREPARED
    model = make(size)
    rows = model.num_embeddings[0]
    X = (
        rng.normal(size=(samples, DENSE)).astype(np.float32),
        rng.integers(0, rows, (samples, features)),
    )
    y = rng.integers(0, 2, samples)
    model.fit(X, y)
    every = labelled_for(model, X, y, None, fitted=True, in_parts=False)
    batches = [every[start : start + size] for start in range(0, samples, size)]
    whole, parts = [], []
    for number in range(rounds):
        batch, found = batches[number % PREPARED], list[float]()
        if number % 2:
            with timed(found):
                step(model, batch)
            parts.append(Part(len(found), sum(found)))
        else:
            start = time.perf_counter()
            step(model, batch)
            whole.append(time.perf_counter() - start)
    seconds = statistics.median(whole)
    kernels = statistics.median(part.seconds for part in parts)
    outside = seconds - kernels
    return [
        str(parts[-1].launches), f"{seconds * 1e3:.2f}", f"{kernels * 1e6:,.0f}",
        f"{outside * 1e6:,.0f}", f"{outside / seconds:.0%}",
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Print the table of docs/performance.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=400, help="steps of each line")
    parser.add_argument("--rows", type=int, default=ROWS, help="of a feature's table")
    args = parser.parse_args(arguments)
    print(f"{machine.describe()['processor']}, {lp.get_num_threads()} threads")
    lines = [
        [name, f"{size:,}", *measure(make, size, FEATURES, args.rounds)]
        for name, make in models(args.rows, FEATURES).items()
        for size in BATCHES
    ]
    lines.append(["DLRM of 2 features and 2 units", "2", *measure(tiny, 2, 2, args.rounds)])
    header = ["model", "samples", "kernels", "ms a step", "in kernels, µs", "outside, µs", "share"]
    print(markdown_table(header, lines))


if __name__ == "__main__":
    main()
