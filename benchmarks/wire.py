"""The log loss of a DLRM whose gradients travel as float16, less that with float32 ones.

    mpiexec -n 2 python -m mpi4py -m benchmarks.wire --data train.tsv.gz --seeds 16
    mpiexec -n 2 python -m mpi4py -m benchmarks.wire --batch-size 4096 --seeds 16

Runs of both wires with the same seed start from the same weights and see the same samples in the
same order.  The table is float16, its optimizer one of those of `benchmarks.optimizers`.  Data are
rows in Criteo's format, the last fifth of which is scored; without --data, planted clicks.  The
results are the same for any number of ranks.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

import lowprec as lp
from benchmarks.optimizer_settings import FORMATS, OPTIMIZERS, Data, Settings, make_model
from benchmarks.optimizers import BUCKETS, TRAIN, interval

COMM = MPI.COMM_WORLD
WIRES = ("float32", "float16")
NAMES = ("SGD, Adam", "RowWiseAdagrad")
FORMAT = FORMATS["float16, float32"]


def load(options: argparse.Namespace) -> Data:
    """What the command line asks for."""
    if options.data is None:
        sizes = list(lp.datasets.DEFAULT_NUM_EMBEDDINGS)
        (dense, indices), y, _ = lp.datasets.make_clicks(options.samples, sizes, seed=0)
        return Data(dense, indices, y, sizes)
    (dense, indices), y = lp.datasets.load_criteo(options.data, num_embeddings=BUCKETS)
    return Data(dense, indices, y, [BUCKETS] * indices.shape[1])


def log_loss(name: str, settings: Settings, data: Data, wire: str, seed: int) -> float:
    """Of the last samples, after a training on the others in an order by the seed."""
    learn, test = data.part(0.0, TRAIN), data.part(TRAIN, 1.0)
    model = make_model(OPTIMIZERS[name], "DLRM", settings, FORMAT, learn, seed)
    rng = np.random.default_rng(seed)
    for epoch in range(settings.epochs):
        order = rng.permutation(len(learn.y))
        first = min(settings.batch_size, len(order)) if epoch == 0 else 0
        for rows in (order[:first], order[first:]):
            if rows.size:
                X = (learn.dense[rows], learn.indices[rows])
                model.partial_fit(X, learn.y[rows], classes=[0, 1], comm=COMM)
            model.table_.wire = wire  # the first batch, which makes the table, is the same for both
    p = model.predict_proba((test.dense, test.indices), comm=COMM)[:, 1]
    return lp.metrics.log_loss(test.y, p)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each optimizer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="rows in Criteo's format, plain or .gz")
    parser.add_argument("--samples", type=int, default=300_000, help="of planted clicks")
    parser.add_argument("--batch-size", type=int, help="default: that of the optimizer's settings")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--optimizers", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--json", type=Path, help="a file to write the log losses to")
    options = parser.parse_args(arguments)
    data = load(options)
    told: list[dict[str, Any]] = []
    for name in options.optimizers:
        settings = OPTIMIZERS[name].settings("DLRM")
        settings = replace(settings, batch_size=options.batch_size or settings.batch_size)
        losses = np.array(
            [[log_loss(name, settings, data, wire, seed) for wire in WIRES]
             for seed in range(options.seeds)]
        )  # fmt: skip
        difference = interval((losses[:, 1] - losses[:, 0]).tolist())
        told.append({"optimizer": name, "batch": settings.batch_size, "losses": losses.tolist()})
        if COMM.rank == 0:
            print(
                f"{name}, batches of {settings.batch_size}: log loss {losses[:, 0].mean():.5f} "
                f"with float32; with float16 {difference} e-4 more, {options.seeds} pairs, "
                f"{COMM.size} ranks",
                flush=True,
            )
    if COMM.rank == 0 and options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
