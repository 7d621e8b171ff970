"""Ranks that are threads of this process: a communicator without MPI."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SECONDS = 120  # for a rank that does not come


class Hub:
    def __init__(self, size):
        self.slots = [None] * size
        self.barrier = threading.Barrier(size, timeout=SECONDS)


class ThreadCommunicator:
    """The calls of `lowprec.mpi.communicator.Communicator`, among threads."""

    def __init__(self, hub, rank):
        self.rank, self.size, self._hub = rank, len(hub.slots), hub

    def _all(self, value):
        self._hub.slots[self.rank] = value
        self._hub.barrier.wait()
        found = list(self._hub.slots)
        self._hub.barrier.wait()
        return found

    def flags(self, own):
        return np.stack(self._all(own.copy()))

    def counts(self, to_each):
        assert len(to_each) == self.size
        return np.stack([rows[self.rank] for rows in self._all(to_each.copy())])

    def exchange(self, data, to_each, found, from_each):
        assert data.dtype == found.dtype == np.uint8
        assert to_each[self.rank] == 0
        assert data.size == to_each.sum()
        assert found.size == from_each.sum()
        starts = np.cumsum(from_each) - from_each
        received = self._all((data, to_each.copy()))

        def wait():
            # only here, so that a test fails if what is on its way is written to before
            self._hub.barrier.wait()
            for rank, (sent, counts) in enumerate(received):
                first = counts[: self.rank].sum()
                part = sent[first : first + counts[self.rank]]
                assert rank == self.rank or part.size == from_each[rank]
                found[starts[rank] : starts[rank] + part.size] = part
            self._hub.barrier.wait()

        return wait

    def barrier(self):
        self._all(None)


def on_ranks(size, function):
    """What ``function(comm)`` returns on each rank; the errors that ranks raise, as results."""
    hub = Hub(size)

    def one(rank):
        try:
            return function(ThreadCommunicator(hub, rank))
        except threading.BrokenBarrierError:
            raise
        except Exception as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(one, range(size)))


def results(size, function):
    """As `on_ranks`, where no rank may raise."""
    found = on_ranks(size, function)
    for each in found:
        if isinstance(each, Exception):
            raise each
    return found
