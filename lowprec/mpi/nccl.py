"""A communicator of ranks that have a GPU each: NCCL, through CuPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lowprec.cuda import nccl_backend
from lowprec.mpi.communicator import MpiCommunicator


class Backend(Protocol):
    """What is used of NCCL: sends and receives of one group run together, on CuPy's stream."""

    def begin_group(self) -> None:
        """What follows is one group."""

    def end_group(self) -> None:
        """Start what is in the group."""

    def send(self, array: Any, peer: int) -> None:
        """Send an array of this GPU to a rank."""

    def recv(self, out_array: Any, peer: int) -> None:
        """Receive into an array of this GPU from a rank."""


class NcclCommunicator(MpiCommunicator):
    """Arrays of GPUs travel by NCCL, and numbers and arrays of the host by MPI.

    Each rank first makes its GPU the current one of CuPy.  Not yet run on GPUs: it was tested with
    a stand-in for NCCL.

    Parameters
    ----------
    comm : communicator of mpi4py
        ``MPI.COMM_WORLD``, as CuPy expects.
    backend : object with the calls of `Backend`, optional
        In place of NCCL.

    Raises
    ------
    ImportError
        If mpi4py, or CuPy with NCCL, is missing.

    Examples
    --------
    ::

        from lowprec.mpi.nccl import NcclCommunicator

        comm = NcclCommunicator(MPI.COMM_WORLD)
        table = lp.mpi.ShardedTable(comm, 10**9, embedding_dim=64, device="cuda")
    """

    def __init__(self, comm: Any, backend: Backend | None = None) -> None:
        super().__init__(comm)
        self._backend = nccl_backend(self.size, self.rank) if backend is None else backend

    def exchange(
        self,
        data: NDArray[np.uint8],
        to_each: NDArray[np.int64],
        found: NDArray[np.uint8],
        from_each: NDArray[np.int64],
    ) -> Callable[[], None]:
        """Begin to send bytes, and to receive others; what uses them on CuPy's stream waits."""
        if not hasattr(found, "__cuda_array_interface__"):
            return super().exchange(data, to_each, found, from_each)
        sent, received = _parts(data, to_each), _parts(found, from_each)
        self._backend.begin_group()
        try:
            for peer in range(self.size):
                if peer != self.rank:
                    if sent[peer].size:
                        self._backend.send(sent[peer], peer)
                    if received[peer].size:
                        self._backend.recv(received[peer], peer)
        finally:
            self._backend.end_group()
        return lambda: None  # the stream is in order


def _parts(array: Any, counts: NDArray[np.int64]) -> list[Any]:
    stops = np.cumsum(counts).tolist()
    return [array[stop - count : stop] for stop, count in zip(stops, counts.tolist(), strict=True)]
