"""Encoding a frame beside training on what it becomes: CPU time and elapsed time of a row.

    python -m benchmarks.encoding --rows 1e6 --rounds 5

The frame has 26 columns of text (100 to 100,000 categories of 8 bytes each, drawn by the cube of a
uniform number) and 13 of integers, a fifth of them missing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow

import lowprec as lp
from benchmarks.report import markdown_table
from benchmarks.timing import spread

CATEGORIES, NUMBERS = 26, 13
SIZES = (100, 1000, 10_000, 100_000)


def make_frame(rows: int, seed: int = 0) -> pyarrow.Table:
    """A frame of Arrow."""
    rng = np.random.default_rng(seed)
    names = pyarrow.array([f"{k:08x}" for k in rng.integers(0, 2**32, max(SIZES))])
    columns = {}
    for number in range(CATEGORIES):
        size = SIZES[number % len(SIZES)]
        columns[f"c{number}"] = names.take(
            pyarrow.array((size * rng.random(rows) ** 3).astype(int))
        )
    for number in range(NUMBERS):
        values = rng.lognormal(3, 2, rows).astype(np.int64)
        columns[f"i{number}"] = pyarrow.array(values, mask=rng.random(rows) < 0.2)
    return pyarrow.table(columns)


def measure(
    calls: dict[str, Callable[[], Any]], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """CPU seconds of the process and elapsed seconds of calls that take turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time(), time.perf_counter()
            call()
            end = time.process_time(), time.perf_counter()
            times[name].append((end[0] - start[0], end[1] - start[1]))
    return times


def main(arguments: list[str] | None = None) -> None:
    """Print the table of docs/frames.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    frame = make_frame(given.rows)
    learned = lp.TabularEncoder().fit(frame)
    hashed = lp.TabularEncoder(vocabulary="hash", buckets=100_000).fit(frame)
    samples = learned.transform(frame)
    y = np.random.default_rng(1).random(given.rows) < 0.3
    model = lp.LogisticRegression(optimizer=lp.Adagrad(0.1))
    times = measure({
        "`fit`": lambda: lp.TabularEncoder().fit(frame),
        "`transform`, learned": lambda: learned.transform(frame),
        "`transform`, hashed": lambda: hashed.transform(frame),
        "`LogisticRegression.partial_fit` of the samples": lambda: model.partial_fit(samples, y),
    }, given.rounds)  # fmt: skip
    rows = []
    for name, pairs in times.items():
        cpu, elapsed = (spread(each).median for each in zip(*pairs, strict=True))
        rates = (f"{given.rows / seconds:,.0f}" for seconds in (cpu, elapsed))
        rows.append([name, f"{1e6 * cpu / given.rows:.2f}", *rates])
    threads = lp.get_num_threads()
    header = ["", "CPU us a row", "rows/s a core", f"rows/s elapsed, {threads} threads"]
    print(f"{given.rows} rows; medians of {given.rounds} rounds\n")
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
