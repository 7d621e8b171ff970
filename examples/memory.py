"""Memory of whole training: a DLRM with tables of 1e7 x 64, in float32 and in float16.

Each format trains in a fresh process.  The process reports its resident memory before it made the
model (the interpreter, the libraries, compiled kernels) and at its peak, and how much of that was
private, without the pages of program files, which processes share. float16 halves the tables, and
so the memory that training adds; the rest of the process is the same for both formats.

examples:
  python examples/memory.py
  python examples/memory.py --full
"""

from __future__ import annotations

import argparse
import threading
from typing import Any

import numpy as np
import report
from processes import peak_memory, run_in_child, watch_memory

import lowprec as lp
from benchmarks.data import FEATURES, draw_clicks

BATCH, STEPS = 1024, 50
ROWS, ROWS_IN_FULL = 1_000_000, 10_000_000


def train(dtype: str, rows: int, dim: int) -> dict[str, Any]:
    """Bytes of the tables and of the process, before and while a DLRM trains."""
    warm_up = make_model(dtype, 1000, dim)
    for number in range(2):  # compiled kernels belong to the process, as the libraries do
        dense, indices, y = draw_clicks(number, BATCH, 1000 // FEATURES, "uniform")
        warm_up.partial_fit((dense, indices), y)
    del warm_up
    before, watched = peak_memory(), []
    threading.Thread(target=watch_memory, args=(0.05, watched), daemon=True).start()
    model, curve = make_model(dtype, rows, dim), [before]
    for number in range(STEPS):  # one batch at a time is in memory
        dense, indices, y = draw_clicks(number, BATCH, rows // FEATURES, "uniform")
        model.partial_fit((dense, indices), y)
        curve.append(peak_memory())
    return {
        "dtype": dtype,
        "table_bytes": model.table_.nbytes,
        "before_bytes": before,
        "peak_bytes": peak_memory(),
        "private_bytes": max(private for _, _, private in watched),
        "curve": curve,
    }


def make_model(dtype: str, rows: int, dim: int) -> lp.DLRM:
    """An untrained model."""
    return lp.DLRM(
        [rows // FEATURES] * FEATURES, dim, bottom_mlp=(64,), top_mlp=(64,), dtype=dtype,
        optimizer=lp.SGD(0.1), batch_size=BATCH,
    )  # fmt: skip


def draw(runs: list[dict[str, Any]], path: str) -> None:
    """The peak of resident memory after each step: times would be those of a noisy machine."""
    figure, axis = report.figure(1)
    colors = {"float32": report.FLOAT32.color, "float16": report.STOCHASTIC.color}
    for run in runs:
        color = colors[run["dtype"]]
        peaks = np.array(run["curve"]) / 1e6
        axis.plot(peaks, color=color, label=f"{run['dtype']}, the process")
        axis.axhline(run["table_bytes"] / 1e6, color=color, linestyle=":", linewidth=1)
    axis.plot([], [], ":", color="black", linewidth=1, label="the tables alone")
    axis.set(xlabel="steps of training", ylabel="peak of resident memory, MB", ylim=(0, None))
    report.legend_below(figure, axis)
    report.save_figure(figure, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = report.parser(__doc__, "memory", seeds=False)
    parser.add_argument("--rows", type=int, help=f"default {ROWS:,}; with --full {ROWS_IN_FULL:,}")
    parser.add_argument("--dim", type=int, default=64)
    options = parser.parse_args(arguments)
    options.rows = options.rows or (ROWS_IN_FULL if options.full else ROWS)
    return options


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Train in both formats, print bytes and ratios, save the figure and the numbers."""
    options = parse_arguments(arguments)
    runs = []
    for dtype in ("float32", "float16"):
        run_in_child(train, dtype, FEATURES * 100, options.dim)  # compiles, if it must
        run = run_in_child(train, dtype, options.rows, options.dim)
        runs.append(run)
        grown = run["peak_bytes"] - run["before_bytes"]
        print(
            f"{dtype}: tables {run['table_bytes'] / 1e6:,.0f} MB, process "
            f"{run['before_bytes'] / 1e6:,.0f} MB before, {run['peak_bytes'] / 1e6:,.0f} MB at "
            f"its peak ({run['private_bytes'] / 1e6:,.0f} private): grown by "
            f"{grown / run['table_bytes']:.3f} tables"
        )
    ratios = {
        "tables": runs[0]["table_bytes"] / runs[1]["table_bytes"],
        "peak": runs[0]["peak_bytes"] / runs[1]["peak_bytes"],
        "private": runs[0]["private_bytes"] / runs[1]["private_bytes"],
        "growth": (runs[0]["peak_bytes"] - runs[0]["before_bytes"])
        / (runs[1]["peak_bytes"] - runs[1]["before_bytes"]),
    }
    print(
        f"float32 / float16: tables {ratios['tables']:.2f}, what training adds "
        f"{ratios['growth']:.2f}, whole process {ratios['peak']:.2f}, "
        f"its private memory {ratios['private']:.2f}"
    )
    draw(runs, options.figure)
    results = {"rows": options.rows, "dim": options.dim, "ratios": ratios, "runs": runs}
    report.write_json(options.json, results)
    return results


if __name__ == "__main__":
    main()
