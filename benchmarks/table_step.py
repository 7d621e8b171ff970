"""Lookup + update of float32, float16 nearest and float16 stochastic tables, in one run.

python -m benchmarks.table_step --rows 1e6 --dim 64 --threads 2
"""

from __future__ import annotations

import argparse

import numba
import numpy as np

import lowprec as lp
from benchmarks.timing import interleaved, ratio, summary

FEATURES, BATCH = 26, 4096
VARIANTS = {
    "float32": ("float32", "nearest"),
    "float16 nearest": ("float16", "nearest"),
    "float16 stochastic": ("float16", "stochastic"),
}


def draw_ids(rng: np.random.Generator, rows: int, shape: tuple[int, int], ids: str) -> np.ndarray:
    """Uniform ids, or ids whose frequencies follow a power law with exponent 1.05."""
    if ids == "uniform":
        return rng.integers(0, rows, shape, dtype=np.int32)
    power = -0.05
    rank = (rng.random(shape) * ((rows + 1.0) ** power - 1.0) + 1.0) ** (1.0 / power) - 1.0
    return (np.minimum(rank, rows - 1).astype(np.int64) * 2654435761 % rows).astype(np.int32)


def compare(rows: int, dim: int, ids: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of lookup + update of each variant; batches rotate, so none stays in cache."""
    rng = np.random.default_rng(0)
    rows_of_feature = rows // FEATURES
    batches = [draw_ids(rng, rows_of_feature, (BATCH, FEATURES), ids) for _ in range(16)]
    grad = rng.normal(size=(BATCH, FEATURES, dim)).astype(np.float32)
    out = np.empty_like(grad)

    def contestant(dtype: str, rounding: str, offset: int):
        table = lp.EmbeddingTable([rows_of_feature] * FEATURES, dim, dtype, rounding)

        def step(number: int) -> None:
            indices = batches[(7 * number + 5 * offset) % len(batches)]
            table.lookup(indices, out=out)
            table.update(indices, grad)

        return step

    contestants = {
        name: contestant(dtype, rounding, offset)
        for offset, (name, (dtype, rounding)) in enumerate(VARIANTS.items())
    }
    return interleaved(contestants, rounds)


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, nargs="+", default=[1e5, 1e6], help="in all")
    parser.add_argument("--dim", type=int, nargs="+", default=[16, 64])
    parser.add_argument(
        "--ids", nargs="+", choices=("uniform", "zipf"), default=["uniform", "zipf"]
    )
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, numba.config.NUMBA_NUM_THREADS]
    )
    parser.add_argument("--rounds", type=int, default=31)
    options = parser.parse_args()
    print(f"{FEATURES} features x {BATCH} ids, lookup + update, ms: median [quartiles]\n")
    print(f"| rows x dim | ids | threads | {' | '.join(VARIANTS)} | stochastic vs float32 |")
    print("|---" * (len(VARIANTS) + 4) + "|")
    for threads in sorted(set(options.threads)):
        numba.set_num_threads(threads)
        for rows in options.rows:
            for dim in options.dim:
                for ids in options.ids:
                    times = compare(int(rows), dim, ids, options.rounds)
                    cells = " | ".join(summary(times[name]) for name in VARIANTS)
                    faster = ratio(times["float16 stochastic"], times["float32"])
                    print(
                        f"| {rows:.0e} x {dim} | {ids} | {threads} | {cells} | {faster:.2f}x |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
