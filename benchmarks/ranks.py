"""What a step of a sharded table costs: bytes on the wire, and CPU time of a rank.

    mpiexec -n 2 -genv NUMBA_NUM_THREADS 1 python -m mpi4py -m benchmarks.ranks

The batch is split evenly among the ranks.  CPU time leaves out what ranks spend in MPI, where they
wait for each other.  Beside it: one process and one thread, with an EmbeddingTable and the whole
batch.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from mpi4py import MPI

import lowprec as lp
from benchmarks.data import FEATURES, draw_ids
from lowprec.mpi.communicator import MpiCommunicator

COMM = MPI.COMM_WORLD


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

    def exchange(self, data: Any, to_each: Any, from_each: Any) -> Any:
        """As of MPI."""
        return self._timed(super().exchange, data, to_each, from_each)


def least_cpu(
    table: Any, ids: np.ndarray, grad: np.ndarray, steps: int, comm: Timed | None = None
) -> float:
    """The least CPU time of a lookup and an update in ms, less what is spent in `comm`."""
    found = []
    for _ in range(steps):
        before = time.process_time() - (comm.seconds if comm else 0.0)
        table.lookup(ids)
        table.update(ids, grad)
        found.append(time.process_time() - (comm.seconds if comm else 0.0) - before)
    return 1e3 * min(found)


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each kind of ids and each wire."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=float, default=1e6, help="of the whole table")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args(arguments)
    sizes = [int(options.rows) // FEATURES] * FEATURES
    given: Any = {"num_embeddings": sizes, "embedding_dim": options.dim}
    bounds = [options.batch_size * k // COMM.size for k in range(COMM.size + 1)]
    own = slice(bounds[COMM.rank], bounds[COMM.rank + 1])
    for kind in ("uniform", "zipf"):
        rng = np.random.default_rng(0)
        ids = draw_ids(rng, sizes[0], (options.batch_size, FEATURES), kind)
        grad = rng.normal(0, 1e-3, (*ids.shape, options.dim)).astype(np.float32)
        alone = least_cpu(lp.EmbeddingTable(**given), ids, grad, options.steps)
        for wire in ("float32", "float16"):
            comm = Timed(COMM)
            table = lp.mpi.ShardedTable(comm, **given, wire=wire)
            rank = least_cpu(table, ids[own], grad[own], options.steps, comm)
            most, sent = COMM.allreduce(rank, MPI.MAX), COMM.allreduce(table.bytes_sent)
            if COMM.rank == 0:
                print(
                    f"{COMM.size} ranks, {kind:7s} ids, wire {wire}: "
                    f"{sent / table.step / 1e6:6.2f} MB a step, all ranks together; CPU of a rank "
                    f"{most:6.2f} ms, of one process {alone:6.2f} ms ({most / alone:.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
