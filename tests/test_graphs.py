"""What is captured and repeated, on a device that notes what is asked of it."""

import contextlib
import copy
import sys

import numpy as np
import pytest

from lowprec.device import Device
from lowprec.graphs import Graphs, Same


class Recorder:
    """CuPy's streams, graphs and memory: what was asked for, in order."""

    def __init__(self):
        self.log = []

    def Stream(self, non_blocking):  # noqa: N802
        assert non_blocking
        return RecordedStream(self.log)

    def get_allocator(self):
        return bytearray

    @contextlib.contextmanager
    def using_allocator(self, allocate):
        self.log.append("own memory")
        self.allocate = allocate
        yield
        self.log.append("their memory")


class RecordedStream:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        self.log.append("enter")

    def __exit__(self, *error):
        self.log.append("exit")

    def begin_capture(self):
        self.log.append("begin")

    def end_capture(self):
        self.log.append("end")
        return self

    def launch(self):
        self.log.append("launch")


class FakeDevice(Device):
    name = "cuda"
    asynchronous = True

    def __init__(self):
        self.streams = Recorder()

    def __reduce__(self):
        return FakeDevice, ()


@contextlib.contextmanager
def turn(log):
    log.append("turn")
    yield
    log.append("turned")


@pytest.fixture
def device():
    return FakeDevice()


def test_work_is_captured_once_and_launched_each_time(device):
    graphs, log, result = Graphs(device), device.streams.log, np.ones(3)

    def work():
        log.append("work")
        device.streams.allocate(7)  # a temporary array, which is gone when the work is done
        return result

    assert not graphs.knows("key")
    graphs.note("key")
    assert graphs.knows("key")
    for _ in range(2):
        graph = graphs.of("key", work)
        assert [len(memory) for memory in graph._memory] == [7]
        found = graph.launch(turn(log))
        log.append("next")
        assert not np.shares_memory(found, result)  # the next launch overwrites that
        np.testing.assert_array_equal(found, result)
    assert log == [
        "enter", "own memory", "begin", "work", "end", "their memory", "exit",
        "turn", "launch", "turned", "next", "turn", "launch", "turned", "next",
    ]  # fmt: skip


def test_work_that_fails_is_not_captured(device):
    graphs, log = Graphs(device), device.streams.log
    graphs.note("key")

    def fails():
        raise ZeroDivisionError

    for _ in range(2):
        del log[:]
        with pytest.raises(ZeroDivisionError):
            graphs.of("key", fails)
        assert log[-1] == "exit"
        assert log.count("begin") == log.count("end") == 1
    graphs.of("key", lambda: np.ones(1)).launch(turn(log))
    assert log.count("launch") == 1


def test_the_error_is_that_of_the_work(device, monkeypatch):
    """What was captured of it is no graph, so that to end it fails, too."""
    graphs = Graphs(device)
    graphs.note("key")

    def cannot(self):
        raise RuntimeError("cudaErrorStreamCaptureInvalidated")

    def fails():
        raise ZeroDivisionError("of the work")

    monkeypatch.setattr(RecordedStream, "end_capture", cannot)
    with pytest.raises(ZeroDivisionError, match="of the work"):
        graphs.of("key", fails)


def test_the_graph_that_was_not_used_for_longest_gives_way(device):
    graphs = Graphs(device)
    for key in range(8):
        graphs.note(key)
    graphs.of(0, lambda: np.ones(1))
    graphs.note(8)
    assert [graphs.knows(key) for key in range(9)] == [True, False] + [True] * 7


def test_an_object_is_the_same_as_itself_alone():
    """And is kept: another one at its address would be taken for it."""
    one, other = [1], [1]
    found = {Same(one): "one"}
    assert found.get(Same(other)) is None
    assert found[Same(one)] == "one"
    count = sys.getrefcount(one)
    del found
    assert sys.getrefcount(one) == count - 1


def test_copies_have_no_graphs(device):
    graphs = Graphs(device)
    graphs.note("key")
    assert not copy.deepcopy(graphs).knows("key")
    assert graphs.knows("key")
