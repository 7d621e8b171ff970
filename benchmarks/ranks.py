"""What a step of a sharded table costs: bytes on the wire, and CPU time of a rank.

    mpiexec -n 2 -genv NUMBA_NUM_THREADS 1 python -m mpi4py -m benchmarks.ranks
    mpiexec -n 2 ... benchmarks.ranks --batch-size 1024 4096 --json ranks.json

`--json` adds to what is in the file; `benchmarks.scale` reads it.
The batch is split evenly among the ranks.  CPU time leaves out what ranks spend in MPI, where they
wait for each other.  Beside it, by turns: one process and one thread, with an EmbeddingTable and
the whole batch.  Figures are medians over steps, of the rank that takes longest.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

import lowprec as lp
from benchmarks.data import FEATURES, draw_ids
from lowprec.mpi.communicator import MpiCommunicator

COMM = MPI.COMM_WORLD
KINDS = ("uniform", "zipf")
_WARM_UP = 3


class Timed(MpiCommunicator):
    """MPI, and how much CPU time was spent in it."""

    seconds = 0.0

    def _timed(self, call: Any, *arguments: Any) -> Any:
        began = time.process_time()
        found = call(*arguments)
        self.seconds += time.process_time() - began
        return found

    def flags(self, own: Any) -> Any:
        """As of MPI."""
        return self._timed(super().flags, own)

    def counts(self, to_each: Any) -> Any:
        """As of MPI."""
        return self._timed(super().counts, to_each)

    def exchange(self, *arguments: Any) -> Callable[[], None]:
        """As of MPI."""
        wait = self._timed(super().exchange, *arguments)
        return lambda: self._timed(wait)


def time_step(table: Any, ids: np.ndarray, grad: np.ndarray) -> tuple[float, float]:
    """CPU time and time of a lookup and an update, in ms."""
    cpu, wall = time.process_time(), time.perf_counter()
    table.lookup(ids)
    table.update(ids, grad)
    return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)


def measure(kind: str, batch: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What a step takes with each wire, on the rank that takes longest."""
    sizes = [int(options.rows) // FEATURES] * FEATURES
    given: Any = {"num_embeddings": sizes, "embedding_dim": options.dim}
    bounds = [batch * k // COMM.size for k in range(COMM.size + 1)]
    own = slice(bounds[COMM.rank], bounds[COMM.rank + 1])
    rng = np.random.default_rng(0)
    ids = draw_ids(rng, sizes[0], (batch, FEATURES), kind)
    grad = rng.normal(0, 1e-3, (*ids.shape, options.dim)).astype(np.float32)
    alone, wires = lp.EmbeddingTable(**given), ("float32", "float16")
    comms = [Timed(COMM) for _ in wires]
    tables = [lp.mpi.ShardedTable(c, **given, wire=w) for c, w in zip(comms, wires, strict=True)]
    of_one, rows = [], {wire: [] for wire in wires}
    for _ in range(_WARM_UP + options.steps):
        of_one.append(time_step(alone, ids, grad)[0])
        for wire, comm, table in zip(wires, comms, tables, strict=True):
            COMM.Barrier()
            comm.seconds = 0.0
            cpu, wall = time_step(table, ids[own], grad[own])
            in_mpi = 1e3 * comm.seconds
            rows[wire].append((cpu - in_mpi, in_mpi, wall))
    found = []
    for wire, table in zip(wires, tables, strict=True):
        cpu, in_mpi, wall = np.median(rows[wire][_WARM_UP:], axis=0)
        found.append(
            {
                "ranks": COMM.size,
                "batch": batch,
                "rows": sizes[0],
                "columns": options.dim,
                "ids": kind,
                "wire": wire,
                "bytes": COMM.allreduce(table.bytes_sent) / table.step,
                "cpu_ms": COMM.allreduce(cpu, MPI.MAX),
                "mpi_ms": COMM.allreduce(in_mpi, MPI.MAX),
                "ms": COMM.allreduce(wall, MPI.MAX),
                "one_process_ms": COMM.allreduce(np.median(of_one[_WARM_UP:])) / COMM.size,
            }
        )
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each kind of ids and each wire."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=float, default=1e6, help="of the whole table")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch-size", type=int, nargs="+", default=[4096])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--json", type=Path, help="a file to write the figures to")
    options = parser.parse_args(arguments)
    found = [
        row
        for batch in options.batch_size
        for kind in KINDS
        for row in measure(kind, batch, options)
    ]
    if COMM.rank:
        return
    for row in found:
        print(
            f"{row['ranks']} ranks, {row['batch']} samples, {row['ids']:7s} ids, "
            f"wire {row['wire']}: "
            f"{row['bytes'] / 1e6:6.2f} MB a step, all ranks together; "
            f"CPU of a rank {row['cpu_ms']:6.2f} ms, of one process {row['one_process_ms']:6.2f} "
            f"ms ({row['cpu_ms'] / row['one_process_ms']:.2f}), in MPI {row['mpi_ms']:.2f} ms",
            flush=True,
        )
    if options.json:
        before = json.loads(options.json.read_text()) if options.json.exists() else []
        lines = ",\n".join(map(json.dumps, before + found))
        options.json.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
