"""A training step beside processes that keep all cores busy, against the same step alone.

    python -m benchmarks.busy --processes 2

With so many busy processes as cores, a fair share of the machine is half of it for a step that uses
all cores: it takes twice as long, if no time is lost by waiting.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from benchmarks import child, machine
from benchmarks.data import FEATURES
from benchmarks.report import tables
from benchmarks.results import Comparison

TITLE = "Training on a busy machine"
BATCH, ROWS, DIM = 2048, 10_000, 16
MODELS = ("logistic", "dlrm")


def train(model: str, seconds: float) -> float:
    """Milliseconds of a step, in a process that has trained for a third of that time before."""
    import lowprec as lp  # see child.Child

    sizes = [ROWS] * FEATURES
    if model == "dlrm":
        estimator = lp.DLRM(sizes, embedding_dim=DIM, batch_size=BATCH)
    else:
        estimator = lp.LogisticRegression(sizes, batch_size=BATCH)
    X, y, _ = lp.datasets.make_clicks(4 * BATCH, sizes)

    def steps(seconds: float) -> float:
        count, start = 0, time.perf_counter()
        while not count or time.perf_counter() < start + seconds:
            estimator.partial_fit(X, y)
            count += 4
        return (time.perf_counter() - start) / count * 1e3

    steps(seconds / 3)  # kernels are compiled, and the number of threads has settled
    return steps(seconds)


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that compute all the time."""
    running = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measure(model: str, processes: int, seconds: float) -> float:
    """Milliseconds of a step beside so many busy processes."""
    with busy(processes):
        arguments = {"model": model, "seconds": seconds}
        environment = child.environment(machine.cores())
        return float(child.call("benchmarks.busy:train", arguments, environment))


def compare(processes: int, rounds: int, seconds: float) -> list[Comparison]:
    """Each model alone and beside busy processes, by turns."""
    comparison = Comparison("busy", {"busy processes": processes, "cores": machine.cores()})
    for model in MODELS:
        measure(model, 0, 0.0)  # compiles
        pairs = [
            (measure(model, 0, seconds), measure(model, processes, seconds)) for _ in range(rounds)
        ]
        alone, beside = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratios = np.array([after / before for before, after in pairs])
        comparison.table[model] = {
            "alone, ms": alone,
            "beside, ms": beside,
            "times as long": float(np.median(ratios)),
            "at most": float(ratios.max()),
        }
    return [comparison]


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=machine.cores())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    options = parser.parse_args()
    print(tables(compare(options.processes, options.rounds, options.seconds)))


if __name__ == "__main__":
    main()
