"""A DLRM trained by the ranks of an MPI job, with the bits of one process.

All ranks are given the same samples and call `fit` with the communicator.  Each looks up and
computes its part of every batch, and holds its share of the table's rows.  The hash of all
parameters is the same for any number of ranks.  Data are planted clicks, or with --data Criteo
rows.

examples:
  mpiexec -n 4 python -m mpi4py examples/sharded.py
  mpiexec -n 2 python -m mpi4py examples/sharded.py --data train.tsv.gz
"""

from __future__ import annotations

import argparse
import hashlib
import time
from typing import Any

import numpy as np
import report
from mpi4py import MPI

import lowprec as lp

FEATURES = [20_000, 3_000, 400, 50]
SAMPLES, SAMPLES_IN_FULL = 40_000, 1_000_000
LOOKS = 10  # at new samples, in an epoch
COMM = MPI.COMM_WORLD


class Watch:
    """What happens during training: the seconds of each step, and losses of new samples."""

    def __init__(self, X: Any, y: np.ndarray, steps: int) -> None:
        self.X, self.y, self.every = X, y, max(1, steps // LOOKS)
        self.seconds: list[float] = []
        self.losses: list[tuple[int, float]] = []
        self.began = time.perf_counter()

    def __call__(self, model: lp.DLRM, samples: int) -> None:
        """After each step, on all ranks."""
        self.seconds.append(time.perf_counter() - self.began)
        step = len(self.seconds)
        if step % self.every == 0:
            self.losses.append((step, self.loss(model)))
        self.began = time.perf_counter()

    def loss(self, model: lp.DLRM) -> float:
        """The log loss of new samples, which all ranks compute together."""
        return lp.metrics.log_loss(self.y, model.predict_proba(self.X, comm=COMM)[:, 1])


def load(options: argparse.Namespace) -> tuple[Any, np.ndarray, list[int]]:
    """The same samples on every rank, and the sizes of features."""
    if options.data:
        (dense, ids), y = lp.datasets.load_criteo(options.data, num_embeddings=100_000)
        dense, ids, y = (each[: options.samples] for each in (dense, ids, y))
        return (dense, ids), np.asarray(y), [100_000] * ids.shape[1]
    X, y, _ = lp.datasets.make_clicks(options.samples, FEATURES, seed=0)
    return X, y, FEATURES


def digest_of(model: lp.DLRM) -> str | None:
    """The hash of all parameters, on the first rank."""
    weights = model.table_.gather()
    if weights is None:
        return None
    found = hashlib.sha256(weights.tobytes())
    for layer in (*model.bottom_, *model.top_):
        for array in layer:
            found.update(array.tobytes())
    return found.hexdigest()[:16]


def save_figure(losses: list[tuple[int, float]], path: str) -> None:
    """The loss of new samples after some of the steps."""
    made, axis = report.figure(1)
    axis.plot(*zip(*losses, strict=True), "o-", color=report.STOCHASTIC.color, label="new samples")
    axis.set(xlabel="step", ylabel="log loss")
    report.legend_below(made, axis)
    report.save_figure(made, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = report.parser(__doc__, "sharded", seeds=False)
    parser.add_argument("--data", help="Criteo rows (TSV, plain or .gz)")
    parser.add_argument("--samples", type=int, help="nine in ten are trained on")
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--save", metavar="FILE", help="write the model here, shards beside it")
    options = parser.parse_args(arguments)
    if options.samples is None:
        options.samples = SAMPLES_IN_FULL if options.full else SAMPLES
    return options


def main(arguments: list[str] | None = None) -> None:
    """Train for an epoch on all ranks, and report on the first."""
    options = parse_arguments(arguments)
    (dense, ids), y, sizes = load(options)
    cut = len(y) * 9 // 10
    steps = -(-cut // options.batch_size)
    watch = Watch((dense[cut:], ids[cut:]), y[cut:], steps)
    model = lp.DLRM(
        sizes, options.dim, bottom_mlp=(64,), top_mlp=(64, 32), dtype=options.dtype,
        batch_size=options.batch_size, seed=1,
    )  # fmt: skip
    model.fit((dense[:cut], ids[:cut]), y[:cut], callback=watch, comm=COMM)
    sent, digest = COMM.allreduce(model.table_.bytes_sent), digest_of(model)
    loss = watch.loss(model)
    if options.save:
        model.save(options.save)
    if COMM.rank:
        return
    megabytes, milliseconds = sent / steps / 1e6, 1e3 * float(np.median(watch.seconds))
    print(f"ranks: {COMM.size}; {steps} steps of {options.batch_size} samples")
    print(f"log loss of new samples   {loss:.5f}")
    print(f"hash of all parameters    {digest}")
    print(f"sent for embeddings       {megabytes:.3f} MB a step, all ranks together")
    print(f"time                      {milliseconds:.1f} ms a step (median)", flush=True)
    save_figure(watch.losses, options.figure)
    report.write_json(
        options.json,
        {
            "ranks": COMM.size, "hash": digest, "log_loss": loss,
            "losses": [loss for _, loss in watch.losses],
            "megabytes_per_step": megabytes, "milliseconds_per_step": milliseconds,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
