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

    def exchange(self, data, to_each, from_each):
        assert data.dtype == np.uint8
        assert data.size == to_each.sum()
        parts = []
        for sent, counts in self._all((data.copy(), to_each.copy())):
            start = counts[: self.rank].sum()
            parts.append(sent[start : start + counts[self.rank]])
        assert [part.size for part in parts] == from_each.tolist()
        return np.concatenate(parts)

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
