"""How ranks talk: four calls, which all ranks make in the same order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Communicator(Protocol):
    """The ranks of a job, numbered from 0.  MPI is behind it, or whatever has these calls."""

    rank: int
    size: int

    def flags(self, own: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers (k,) of every rank, (size, k)."""

    def counts(self, to_each: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row r of `to_each` (size, k) goes to rank r; row r of the result came from rank r."""

    def exchange(
        self,
        data: NDArray[np.uint8],
        to_each: NDArray[np.int64],
        found: NDArray[np.uint8],
        from_each: NDArray[np.int64],
    ) -> Callable[[], None]:
        """Begin to send bytes and to receive others; returns what waits until that is done.

        `data` begins with the ``to_each[0]`` bytes for rank 0; `found` begins with the room for the
        ``from_each[0]`` bytes from rank 0.  `data` has no bytes for the rank itself, and its room
        in `found` is not written.  Do not use these arrays until you have waited.
        """

    def barrier(self) -> None:
        """Wait until all ranks are here."""


class MpiCommunicator:
    """A communicator of mpi4py, such as ``MPI.COMM_WORLD``."""

    def __init__(self, comm: Any) -> None:
        try:
            from mpi4py import MPI
        except ImportError as error:
            raise ImportError(
                "lowprec.mpi needs mpi4py and an MPI library: pip install 'lowprec[mpi]'"
            ) from error
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._comm, self._byte = comm, MPI.BYTE

    def flags(self, own: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers (k,) of every rank, (size, k)."""
        found = np.empty((self.size, own.size), np.int64)
        self._comm.Allgather(own, found)
        return found

    def counts(self, to_each: NDArray[np.int64]) -> NDArray[np.int64]:
        """One row to each rank, and one from each."""
        found = np.empty_like(to_each)
        self._comm.Alltoall(to_each, found)
        return found

    def exchange(
        self,
        data: NDArray[np.uint8],
        to_each: NDArray[np.int64],
        found: NDArray[np.uint8],
        from_each: NDArray[np.int64],
    ) -> Callable[[], None]:
        """Begin to send bytes, and to receive others."""
        starts, received = np.cumsum(from_each) - from_each, from_each.copy()
        received[self.rank] = 0
        request = self._comm.Ialltoallv(
            [data, to_each.tolist(), self._byte],
            [found, (received.tolist(), starts.tolist()), self._byte],
        )
        return request.Wait  # type: ignore[no-any-return]

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        self._comm.Barrier()


def as_communicator(comm: Any) -> Communicator:
    """A communicator of mpi4py or one with the calls of `Communicator`; TypeError otherwise."""
    if hasattr(comm, "Alltoallv") and hasattr(comm, "Get_rank"):
        return MpiCommunicator(comm)
    if all(hasattr(comm, name) for name in ("rank", "size", "flags", "counts", "exchange")):
        return comm  # type: ignore[no-any-return]
    raise TypeError(f"comm must be a communicator of mpi4py, such as MPI.COMM_WORLD, got {comm!r}")
