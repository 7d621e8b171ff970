"""Scratch arrays that updates on several streams of a GPU share."""

from types import SimpleNamespace

import numpy as np
import pytest

from lowprec.device import get_device
from lowprec.workspace import Allocator, Workspace


class Streams:
    """CuPy's streams and events: what was asked for, in order."""

    def __init__(self):
        self.log, self.current, self.capturing = [], None, ()

    def get_current_stream(self):
        return self.current

    def Event(self, disable_timing):  # noqa: N802
        return SimpleNamespace(record=lambda stream: self.log.append(("record", stream.ptr)))

    def stream(self, address):
        return SimpleNamespace(
            ptr=address, wait_event=lambda event: self.log.append(("wait", address)),
            is_capturing=lambda: address in self.capturing,
        )  # fmt: skip


def test_streams_take_turns():
    streams = Streams()
    scratch = Workspace(SimpleNamespace(streams=streams))
    one, other = streams.stream(1), streams.stream(2)
    for streams.current in (one, one, other, one):
        with scratch.alone("it is used"):
            streams.log.append("work")
    assert streams.log == [
        "work", ("record", 1), "work", ("record", 1), ("wait", 2), "work", ("record", 2),
        ("wait", 1), "work", ("record", 1),
    ]  # fmt: skip


def test_what_is_captured_waits_for_nothing():
    """It is asked for when it is launched, and an event of a capture is none to wait for."""
    streams = Streams()
    scratch = Workspace(SimpleNamespace(streams=streams))
    one, other, streams.capturing = streams.stream(1), streams.stream(2), (2,)
    for streams.current in (one, other, one):
        with scratch.alone("it is used"):
            streams.log.append("work")
    assert streams.log == ["work", ("record", 1), "work", "work", ("record", 1)]


def test_what_failed_may_still_run():
    streams = Streams()
    scratch, streams.current = Workspace(SimpleNamespace(streams=streams)), streams.stream(1)
    with pytest.raises(ZeroDivisionError), scratch.alone("it fails"):
        raise ZeroDivisionError
    assert streams.log == [("record", 1)]


@pytest.mark.parametrize("kind", [Allocator, Workspace])
def test_zeros_are_zeros_in_every_shape(kind):
    scratch = kind(get_device("cpu"))
    for shape, dtype in ((3, 4), "u4"), ((2, 2), "u4"), ((5, 7), "u4"), ((5, 7), "f8"):
        array = scratch.zeros("sums", shape, dtype)
        assert array.shape == shape
        assert array.dtype == dtype
        assert not array.any()
        scratch.empty("sums", shape, dtype)[...] = 1  # another array, of the same name


def test_arrays_are_kept_until_a_larger_one_is_asked_for():
    scratch = Workspace(get_device("cpu"))
    for make in (scratch.empty, scratch.zeros):
        large = make("sums", (4, 5), np.float32)
        assert np.shares_memory(make("sums", (2, 3), np.float32), large)
        version = scratch.version
        assert not np.shares_memory(make("sums", (5, 5), np.float32), large)
        assert scratch.version == version + 1
        make("sums", (2, 3), np.float32)
        assert scratch.version == version + 1


def test_what_is_made_of_the_same_objects_is_kept():
    scratch, made = Workspace(get_device("cpu")), []

    def found(objects, sizes=None, name="a"):
        return scratch.made_of(name, objects, sizes, lambda: made.append(1) or len(made))

    one, other = np.zeros(3), np.zeros(3)
    assert [found([one, other]), found([one, other])] == [1, 1]
    assert found([other, one]) == 2
    assert found([other, one], name="b") == 3
    assert [found([other, one], 5), found([other, one], 5), found([other, one], 6)] == [4, 4, 5]
    assert found([other, one.copy()], 6) == 6
    assert [Allocator(get_device("cpu")).made_of("a", [], None, lambda: 7)] == [7]


def test_an_object_that_came_to_the_place_of_another_is_another():
    """Memory is given again at once: the objects are kept, so that none has the number of one."""
    scratch = Workspace(get_device("cpu"))
    for number in range(100):
        array = np.full(3, number)
        assert scratch.made_of("a", [array], None, lambda array=array: array[0]) == number
        del array
