"""A DLRM whose embeddings are spread over the ranks of an MPI job, with the bits of one process.

Each rank takes its part of every batch.  It looks up embeddings from all ranks, computes the model
in NumPy, and sends each gradient to the rank that owns the row (`lowprec.mpi.ShardedTable`).  Dense
gradients are computed for fixed chunks of 64 samples, and all ranks add the chunks in one order.
The hash of all parameters is therefore the same for any number of ranks.  Data are planted clicks,
or Criteo rows with --data.

examples:
  mpiexec -n 4 python -m mpi4py examples/sharded.py
  mpiexec -n 2 python -m mpi4py examples/sharded.py --wire float16 --data train.tsv.gz
"""

from __future__ import annotations

import argparse
import hashlib
import time
from typing import Any, NamedTuple

import numpy as np
import report
from mpi4py import MPI

import lowprec as lp

CHUNK = 64  # samples whose dense gradients are one sum, on whatever rank
FEATURES = [20_000, 3_000, 400, 50]
HIDDEN = 32
SAMPLES, SAMPLES_IN_FULL = 40_000, 1_000_000
COMM = MPI.COMM_WORLD


class Data(NamedTuple):
    """Dense features (n, k), ids (n, F) and labels (n,)."""

    dense: np.ndarray
    ids: np.ndarray
    y: np.ndarray

    def at(self, rows: slice) -> Data:
        """Some of the samples."""
        return Data(*(each[rows] for each in self))


class Step(NamedTuple):
    """What the chunks of a rank give: arrays with one row a sample, or one row a chunk."""

    logits: np.ndarray  # (n,)
    losses: np.ndarray  # (chunks,) float64
    dembeddings: np.ndarray  # (n, F, D)
    gradients: np.ndarray  # (chunks, parameters)


class Dense:
    """The dense part: a layer below and two above the inner products of all pairs of vectors."""

    def __init__(self, num_dense: int, num_features: int, dim: int, rate: float) -> None:
        rng = np.random.default_rng(0)
        self.pairs = np.triu_indices(num_features + 1, 1)
        joined = dim + len(self.pairs[0])
        self.shapes = [(num_dense, dim), (dim,), (joined, HIDDEN), (HIDDEN,), (HIDDEN, 1), (1,)]
        parts = [rng.normal(0, (2 / sum(shape)) ** 0.5, shape) for shape in self.shapes]
        self.flat = np.concatenate([part.reshape(-1) for part in parts]).astype(np.float32)
        self.squares = np.zeros_like(self.flat)  # Adagrad
        self.rate = np.float32(rate)

    def layers(self) -> list[np.ndarray]:
        """Views of the parameters."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        parts = np.split(self.flat, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def run(self, data: Data, embeddings: np.ndarray, batch_size: int) -> Step:
        """Forward and backward, chunk by chunk: a sample's numbers depend on its chunk alone."""
        found = [
            self._chunk(data.at(rows), embeddings[rows], np.float32(1 / batch_size))
            for rows in (slice(i, i + CHUNK) for i in range(0, len(data.y), CHUNK))
        ]
        if not found:  # a rank without samples
            none, chunks = np.empty(0, np.float32), np.empty((0, self.flat.size), np.float32)
            return Step(none, np.empty(0), embeddings, chunks)
        logits, losses, dembeddings, gradients = zip(*found, strict=True)
        return Step(
            np.concatenate(logits), np.array(losses), np.concatenate(dembeddings),
            np.stack(gradients),
        )  # fmt: skip

    def _chunk(self, data: Data, embeddings: np.ndarray, scale: np.float32) -> tuple[Any, ...]:
        W0, b0, W1, b1, W2, b2 = self.layers()
        bottom = np.maximum(data.dense @ W0 + b0, 0)
        vectors = np.concatenate([bottom[:, None], embeddings], axis=1)
        products = vectors @ vectors.transpose(0, 2, 1)
        joined = np.concatenate([bottom, products[:, self.pairs[0], self.pairs[1]]], axis=1)
        hidden = np.maximum(joined @ W1 + b1, 0)
        logits = (hidden @ W2 + b2)[:, 0]
        y, p = data.y.astype(np.float32), 1 / (1 + np.exp(-logits))
        loss = float(np.sum(np.logaddexp(0, logits) - y * logits, dtype=np.float64))

        dlogits = ((p - y) * scale)[:, None]
        dhidden = (dlogits @ W2.T) * (hidden > 0)
        djoined = dhidden @ W1.T
        dproducts = np.zeros_like(products)
        dproducts[:, self.pairs[0], self.pairs[1]] = djoined[:, bottom.shape[1] :]
        dvectors = (dproducts + dproducts.transpose(0, 2, 1)) @ vectors
        dbottom = (djoined[:, : bottom.shape[1]] + dvectors[:, 0]) * (bottom > 0)
        gradients = [
            data.dense.T @ dbottom, dbottom.sum(0), joined.T @ dhidden, dhidden.sum(0),
            hidden.T @ dlogits, dlogits.sum(0),
        ]  # fmt: skip
        flat = np.concatenate([gradient.reshape(-1) for gradient in gradients])
        return logits, loss, dvectors[:, 1:], flat

    def update(self, gradients: np.ndarray) -> None:
        """One step of Adagrad by the sum of the chunks' gradients, in their order."""
        total = np.zeros_like(self.flat)
        for gradient in gradients:
            total += gradient
        self.squares += total * total
        self.flat -= self.rate * total / (np.sqrt(self.squares) + np.float32(1e-8))


def own_samples(n: int) -> slice:
    """The samples of this rank: whole chunks, as equally many as possible."""
    chunks = -(-n // CHUNK)
    first, last = (chunks * k // COMM.size for k in (COMM.rank, COMM.rank + 1))
    return slice(min(first * CHUNK, n), min(last * CHUNK, n))


def of_all_ranks(rows: np.ndarray) -> np.ndarray:
    """The rows of all ranks, in their order."""
    rows = np.ascontiguousarray(rows)
    counts = COMM.allgather(rows.size)
    flat = np.empty(sum(counts), rows.dtype)
    COMM.Allgatherv(rows.reshape(-1), (flat, counts))
    return flat.reshape(-1, *rows.shape[1:])


def train(model: Dense, table: Any, data: Data, batch_size: int) -> tuple[list[float], list[float]]:
    """The mean loss and the seconds of each step."""
    losses, seconds = [], []
    for start in range(0, len(data.y), batch_size):
        batch = data.at(slice(start, start + batch_size))
        began, part = time.perf_counter(), batch.at(own_samples(len(batch.y)))
        step = model.run(part, table.lookup(part.ids), len(batch.y))
        table.update(part.ids, step.dembeddings)
        model.update(of_all_ranks(step.gradients))
        losses.append(float(np.sum(of_all_ranks(step.losses))) / len(batch.y))
        seconds.append(time.perf_counter() - began)
    return losses, seconds


def test_loss(model: Dense, table: Any, data: Data) -> float:
    """The log loss of all samples, of which each rank takes a part."""
    part = data.at(own_samples(len(data.y)))
    logits = of_all_ranks(model.run(part, table.lookup(part.ids), len(data.y)).logits)
    return lp.metrics.log_loss(data.y, 1 / (1 + np.exp(-logits.astype(np.float64))))


def load(options: argparse.Namespace) -> tuple[Data, list[int]]:
    """The same samples on every rank, dense features standardised, and the sizes of features."""
    if options.data:
        (dense, ids), y = lp.datasets.load_criteo(options.data, num_embeddings=100_000)
        dense, ids, y = (each[: options.samples] for each in (dense, ids, y))
        sizes = [100_000] * ids.shape[1]
    else:
        (dense, ids), y, _ = lp.datasets.make_clicks(options.samples, FEATURES, seed=0)
        sizes = FEATURES
    dense = (dense - dense.mean(0)) / (dense.std(0) + np.float32(1e-6))
    return Data(dense.astype(np.float32), ids, np.asarray(y)), sizes


def save_figure(losses: list[float], path: str) -> None:
    """The loss of each step, and its mean over 20 steps."""
    made, axis = report.figure(1)
    steps = np.arange(1, len(losses) + 1)
    axis.plot(steps, losses, color=report.PEER_COLOR, alpha=0.4, label="batch")
    width = min(20, len(losses))
    smooth = np.convolve(losses, np.full(width, 1 / width), "valid")
    axis.plot(steps[width - 1 :], smooth, color=report.STOCHASTIC.color, label="mean of 20")
    axis.set(xlabel="step", ylabel="log loss before the step")
    report.legend_below(made, axis)
    report.save_figure(made, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = report.parser(__doc__, "sharded", seeds=False)
    parser.add_argument("--data", help="Criteo rows (TSV, plain or .gz)")
    parser.add_argument("--samples", type=int, help="nine in ten are trained on")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--wire", choices=["float32", "float16"], default="float32")
    parser.add_argument("--save", metavar="FOLDER", help="write the table here")
    options = parser.parse_args(arguments)
    if options.samples is None:
        options.samples = SAMPLES_IN_FULL if options.full else SAMPLES
    return options


def main(arguments: list[str] | None = None) -> None:
    """Train for an epoch on all ranks, and report on the first."""
    options = parse_arguments(arguments)
    data, sizes = load(options)
    cut = len(data.y) * 9 // 10
    table = lp.mpi.ShardedTable(
        COMM, sizes, options.dim, options.dtype, optimizer=lp.RowWiseAdagrad(0.05), seed=1,
        wire=options.wire,
    )  # fmt: skip
    model = Dense(data.dense.shape[1], len(sizes), options.dim, rate=0.02)
    losses, seconds = train(model, table, data.at(slice(cut)), options.batch_size)
    sent = COMM.allreduce(table.bytes_sent)
    scored = test_loss(model, table, data.at(slice(cut, None)))
    weights = table.gather()
    if options.save:
        table.save(options.save)
    if COMM.rank:
        return
    digest = hashlib.sha256(weights.tobytes() + model.flat.tobytes()).hexdigest()[:16]
    megabytes, milliseconds = sent / len(losses) / 1e6, 1e3 * float(np.median(seconds))
    print(f"ranks: {COMM.size}; {len(losses)} steps of {options.batch_size} samples")
    print(f"log loss of new samples   {scored:.5f}")
    print(f"hash of all parameters    {digest}")
    print(f"sent for embeddings       {megabytes:.3f} MB a step, all ranks together")
    print(f"time                      {milliseconds:.1f} ms a step (median)", flush=True)
    save_figure(losses, options.figure)
    report.write_json(
        options.json,
        {
            "ranks": COMM.size, "hash": digest, "log_loss": scored, "losses": losses,
            "megabytes_per_step": megabytes, "milliseconds_per_step": milliseconds,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
