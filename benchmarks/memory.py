"""Peak memory of training a table of 1e7 x 64, float32 against float16, in a process each.

    python -m benchmarks.memory --rows 1e7 --dim 64

A second copy of the table, at any moment of it, would show as a peak of twice the table.
"""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

import lowprec as lp
from examples.criteo import peak_memory

FEATURES, BATCH, STEPS = 26, 4096, 20


def train(rows: int, dim: int, dtype: str) -> tuple[int, int, int]:
    """Bytes of the table, and the process's peak memory before and after training."""
    rng = np.random.default_rng(0)
    per_feature = rows // FEATURES
    indices = rng.integers(0, per_feature, (BATCH, FEATURES), dtype=np.int32)
    grad = rng.normal(size=(BATCH, FEATURES, dim)).astype(np.float32)
    small = lp.EmbeddingTable([per_feature // 1000 + 1] * FEATURES, dim, dtype)
    small.update(np.zeros_like(indices), grad)
    small.lookup(np.zeros_like(indices))
    before = peak_memory()
    table = lp.EmbeddingTable([per_feature] * FEATURES, dim, dtype)
    for _ in range(STEPS):
        table.lookup(indices)
        table.update(indices, grad)
    return table.nbytes, before, peak_memory()


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e7)
    parser.add_argument("--dim", type=int, default=64)
    options = parser.parse_args()
    print("| tables | table MB | peak MB of the process | growth of the peak, in tables |")
    print("|---|---|---|---|")
    for dtype in ("float32", "float16"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            job = pool.submit(train, int(options.rows), options.dim, dtype)
            nbytes, before, peak = job.result()
        print(
            f"| {dtype} | {nbytes / 1e6:.0f} | {peak / 1e6:.0f} | {(peak - before) / nbytes:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
