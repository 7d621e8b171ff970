"""The random generators of stochastic rounding, each inside the same float16 update.

The update of a table groups its ids, sums gradients and prefetches rows with lowprec's own kernels;
only what gives the random bits differs.  The contestant without a generator rounds with draws of
zero: what it saves is the generator's share of the update.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from benchmarks import child
from benchmarks.data import FEATURES, draw_ids
from benchmarks.results import Comparison, Job, Options, measure

TITLE = "Random generators in the update of a float16 table"
BATCH, BATCHES = 4096, 16
KWX32 = "KWX32, lowprec's"
NONE = "no generator"
XORSHIFT = "xorshift32, number by number"
NUMBA_TWISTER = "Mersenne twister, Numba's"
NUMPY_TWISTER = "Mersenne twister, NumPy's"


def compare(rows: int, dim: int, threads: int, rounds: int, seed: int) -> list[dict[str, Any]]:
    """Updates of a table a generator, with the threads there are."""
    import lowprec as lp  # see child.Child
    from benchmarks.generator_kernels import OPTIMIZERS

    rng = np.random.default_rng(seed)
    rows_of_feature = rows // FEATURES
    shape = (BATCH, FEATURES)
    batches = [draw_ids(rng, rows_of_feature, shape, "uniform") for _ in range(BATCHES)]
    grad = rng.normal(size=(*shape, dim)).astype(np.float32)

    def contestant(optimizer: lp.SGD):
        table = lp.EmbeddingTable([rows_of_feature] * FEATURES, dim, optimizer=optimizer)
        return lambda number: table.update(batches[number % BATCHES], grad)

    contestants = {KWX32: contestant(lp.SGD(0.01))}
    for name, optimizer in zip(
        (NONE, XORSHIFT, NUMBA_TWISTER, NUMPY_TWISTER), OPTIMIZERS, strict=True
    ):
        contestants[name] = contestant(optimizer(0.01))
    setting = {"rows": rows, "dim": dim, "threads": threads, "batch": BATCH}
    return [asdict(measure("generators", setting, KWX32, contestants, rounds, seed=seed))]


def run(threads: int, **arguments: Any) -> list[Comparison]:
    """`compare` in a process of its own."""
    arguments["threads"] = threads
    found = child.call("benchmarks.generators:compare", arguments, child.environment(threads))
    return [Comparison(**one) for one in found]


def jobs(options: Options) -> list[Job]:
    """The suite."""
    rows, dims, rounds = (20_000, (16,), 3) if options.quick else (1_000_000, (64, 16), 21)
    return [
        partial(run, rows=rows, dim=dim, threads=threads, rounds=rounds, seed=options.seed)
        for dim in dims
        for threads in options.threads
    ]
