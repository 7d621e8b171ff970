"""Tables that are spread over GPUs: in the simulator, and NCCL with a stand-in."""

import queue
import types

import numpy as np
import pytest

import lowprec as lp
from lowprec.mpi.exchange import Exchange
from lowprec.mpi.nccl import NcclCommunicator
from tests.devices import with_gpu
from tests.mpi import training
from tests.mpi.communicators import on_ranks, results
from tests.mpi.test_sharded import digest_of
from tests.tables.small import bits


@with_gpu
@pytest.mark.parametrize("name", ["one id", "mean"])
def test_bits_are_those_of_a_cpu(name):
    """For both wires."""
    arguments = training.arguments(name)
    for wire, size in (("float32", 3), ("float16", 2)):

        def run(comm, device, wire=wire):
            table = lp.mpi.ShardedTable(comm, **arguments, wire=wire, device=device)
            seen = training.train(table, name, comm.rank, comm.size, range(2))
            return table, seen, table.gather()

        cpu, cuda = (
            results(size, lambda comm, device=device: run(comm, device))
            for device in ("cpu", "cuda")
        )
        assert digest_of([each[0] for each in cuda]) == digest_of([each[0] for each in cpu])
        for (_, seen, gathered), (_, expected, whole) in zip(cuda, cpu, strict=True):
            assert list(map(bits, seen)) == list(map(bits, expected))
            assert (gathered is None) == (whole is None)
            assert gathered is None or bits(gathered) == bits(whole)


@with_gpu
def test_a_saved_table_goes_on_on_a_gpu(tmp_path):
    name = "mean"

    def save(comm):
        table = lp.mpi.ShardedTable(comm, **training.arguments(name))
        training.train(table, name, comm.rank, comm.size, [0])
        table.save(tmp_path)

    def go_on(comm):
        table = lp.mpi.load(tmp_path, comm, device="cuda")
        training.train(table, name, comm.rank, comm.size, [1])
        return table

    results(3, save)
    found = results(2, go_on)
    assert {table.table.device for table in found} == {"cuda"}
    one, _ = training.in_one_process(name, range(2))
    assert digest_of(found) == training.digest_of(one)


class DeviceArray(np.ndarray):
    """A NumPy array that passes for one of a GPU."""

    @property
    def __cuda_array_interface__(self):
        return self.__array_interface__


class StandIn:
    """NCCL among threads: what is in a group runs when it ends, sends first."""

    def __init__(self, mailboxes, rank):
        self._mailboxes, self._rank, self._group = mailboxes, rank, None

    def begin_group(self):
        self._group = []

    def send(self, array, peer):
        self._group.append((0, array, peer))

    def recv(self, out_array, peer):
        self._group.append((1, out_array, peer))

    def end_group(self):
        for receives, array, peer in sorted(self._group, key=lambda call: call[0]):
            if receives:
                array[...] = self._mailboxes[peer, self._rank].get(timeout=60)
            else:
                self._mailboxes[self._rank, peer].put(array.copy())
        self._group = None


def test_nccl():
    """Any number of bytes to each rank, and none of what a rank has for itself."""
    pytest.importorskip("mpi4py", reason="comes with the extra `mpi`")
    size = 3
    mailboxes = {(a, b): queue.Queue() for a in range(size) for b in range(size)}
    counts = np.array([[0, 3, 0], [2, 0, 1], [5, 4, 0]])  # row r: what rank r sends to each

    def run(comm):
        mpi = types.SimpleNamespace(Get_rank=lambda: comm.rank, Get_size=lambda: comm.size)
        nccl = NcclCommunicator(mpi, StandIn(mailboxes, comm.rank))
        data = np.repeat(np.arange(size) + 10 * comm.rank, counts[comm.rank]).astype(np.uint16)
        from_each = counts[:, comm.rank].copy()
        from_each[comm.rank] = 2  # room for its own rows, which is left as it is
        found = np.full(from_each.sum(), 99, np.uint16).view(DeviceArray)
        exchange = Exchange(nccl)
        exchange.begin(data.view(DeviceArray), counts[comm.rank], found, from_each)()
        expected = np.repeat(10 * np.arange(size) + comm.rank, from_each)
        expected[exchange.own(from_each)] = 99  # left as it was
        assert found.tolist() == expected.tolist()
        return exchange.bytes_sent

    assert results(size, run) == [6, 6, 18]


def test_a_gpu_needs_nccl(monkeypatch):
    """Plain MPI cannot send its arrays."""
    mpi = pytest.importorskip("mpi4py.MPI", reason="comes with the extra `mpi`")
    gpu = types.SimpleNamespace(streams=object())
    monkeypatch.setattr("lowprec.mpi.alike.get_device", lambda name: gpu)
    with pytest.raises(ValueError, match="NcclCommunicator"):
        lp.mpi.ShardedTable(mpi.COMM_SELF, 10, 4, device="cuda")
    found = on_ranks(2, lambda comm: lp.mpi.ShardedTable(comm, 10, 4, device="tpu"))
    assert all("device must be" in str(error) for error in found)
