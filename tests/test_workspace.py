"""Scratch arrays that updates on several streams of a GPU share."""

from types import SimpleNamespace

import pytest

from lowprec.workspace import Workspace


class Streams:
    """CuPy's streams and events: what was asked for, in order."""

    def __init__(self):
        self.log, self.current = [], None

    def get_current_stream(self):
        return self.current

    def Event(self, disable_timing):  # noqa: N802
        return SimpleNamespace(record=lambda stream: self.log.append(("record", stream.ptr)))

    def stream(self, address):
        return SimpleNamespace(
            ptr=address, wait_event=lambda event: self.log.append(("wait", address))
        )


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


def test_what_failed_may_still_run():
    streams = Streams()
    scratch, streams.current = Workspace(SimpleNamespace(streams=streams)), streams.stream(1)
    with pytest.raises(ZeroDivisionError), scratch.alone("it fails"):
        raise ZeroDivisionError
    assert streams.log == [("record", 1)]
