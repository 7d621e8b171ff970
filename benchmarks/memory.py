"""Peak memory of training a table of 1e7 x 64, float32 against float16, in a process each.

    python -m benchmarks.memory --rows 1e7 --dim 64

A second copy of the table, at any moment of it, would show as a peak of twice the table.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np

from benchmarks import child, machine
from benchmarks.data import FEATURES
from benchmarks.report import tables
from benchmarks.results import Comparison, Job, Options

TITLE = "Memory: training one table"
BATCH, STEPS = 4096, 20


def train(rows: int, dim: int, dtype: str) -> tuple[int, int, int]:
    """Bytes of the table, and the process's peak memory before and after training."""
    import lowprec as lp  # see child.Child

    rng = np.random.default_rng(0)
    per_feature = rows // FEATURES
    indices = rng.integers(0, per_feature, (BATCH, FEATURES), dtype=np.int32)
    grad = rng.normal(size=(BATCH, FEATURES, dim)).astype(np.float32)
    small = lp.EmbeddingTable([per_feature // 1000 + 1] * FEATURES, dim, dtype)
    small.update(np.zeros_like(indices), grad)
    small.lookup(np.zeros_like(indices))
    before = machine.peak_memory()
    table = lp.EmbeddingTable([per_feature] * FEATURES, dim, dtype)
    for _ in range(STEPS):
        table.lookup(indices)
        table.update(indices, grad)
    return table.nbytes, before, machine.peak_memory()


def compare(rows: int, dim: int) -> list[Comparison]:
    """Both formats."""
    comparison = Comparison("memory", {"rows": rows, "dim": dim})
    for dtype in ("float32", "float16"):
        environment = child.environment(machine.cores())
        for count in (FEATURES, rows):  # the small run compiles what the large one uses
            arguments = {"rows": count, "dim": dim, "dtype": dtype}
            nbytes, before, peak = child.call("benchmarks.memory:train", arguments, environment)
        comparison.table[dtype] = {
            "table, MB": nbytes / 1e6,
            "peak of the process, MB": peak / 1e6,
            "growth of the peak, in tables": (peak - before) / nbytes,
        }
    return [comparison]


def jobs(options: Options) -> list[Job]:
    """The suite."""
    return [partial(compare, rows=100_000 if options.quick else 10_000_000, dim=64)]


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e7)
    parser.add_argument("--dim", type=int, default=64)
    options = parser.parse_args()
    print(tables(compare(int(options.rows), options.dim)))


if __name__ == "__main__":
    main()
