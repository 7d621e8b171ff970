"""The way of a batch to a GPU, on a device that notes what is asked of it."""

import numpy as np
import pytest

from lowprec.device import Device
from lowprec.staging import Staging


class Recorder:
    """CuPy's streams and events: what was asked for, in order."""

    def __init__(self):
        self.log = []
        self.current = self.Stream(name="current")

    def get_current_stream(self):
        return self.current

    def Stream(self, non_blocking=False, name="copies"):  # noqa: N802
        return RecordedStream(self.log, name)

    def Event(self, disable_timing=False):  # noqa: N802
        return RecordedEvent(self.log)


class RecordedStream:
    def __init__(self, log, name):
        self.log, self.name = log, name

    def wait_event(self, event):
        self.log.append((self.name, "waits for", event))


class RecordedEvent:
    def __init__(self, log):
        self.log, self.on = log, None

    def record(self, stream):
        self.on = stream.name
        self.log.append((stream.name, "records", self))

    def synchronize(self):
        self.log.append(("host", "waits for", self))


class OnDevice(np.ndarray):
    def set(self, values, stream):
        self.log.append((stream.name, "copies", values.nbytes))
        self[...] = values


class FakeDevice(Device):
    name = "cuda"
    asynchronous = True

    def __init__(self):
        self.streams = Recorder()
        self.pinned = []

    def empty_pinned(self, nbytes):
        self.streams.log.append(("host", "pins", nbytes))
        return np.empty(nbytes, np.uint8)

    def empty(self, shape, dtype):
        array = np.empty(shape, dtype).view(OnDevice)
        OnDevice.log = self.streams.log
        return array


@pytest.fixture
def device():
    return FakeDevice()


def batch(rows):
    return [np.arange(rows, dtype=np.int64), np.full((rows, 3), 0.5, np.float32)]


def test_arrays_arrive_as_they_are(device):
    staging = Staging(device)
    for rows in (5, 3, 9, 200):
        for sent, found in zip(batch(rows), staging.copy_in(batch(rows)), strict=True):
            assert found.dtype == sent.dtype
            np.testing.assert_array_equal(found, sent)


def test_every_copy_waits_for_what_used_its_memory(device):
    """Fresh memory, too: kernels that are still queued may use it."""
    staging = Staging(device)
    for rows in (5, 5, 5, 80, 5, 700):
        staging.copy_in(batch(rows))
    log = device.streams.log
    copies = [place for place, entry in enumerate(log) if entry[1] == "copies"]
    assert len(copies) == 6
    for place in copies:
        _, verb, event = log[place - 1]
        assert (verb, event.on) == ("waits for", "current")
        assert ("current", "records", event) in log[:place]
        # and what is asked for next waits for the copy
        assert [entry[:2] for entry in log[place + 1 : place + 3]] == [
            ("copies", "records"), ("current", "waits for"),
        ]  # fmt: skip


def test_pinned_memory_gives_way_when_its_copy_is_done(device):
    staging, log = Staging(device), device.streams.log
    staging.copy_in(batch(5))
    staging.copy_in(batch(5))
    copied = staging._slots[1 - staging._turn]._copied
    del log[:]
    staging.copy_in(batch(500))
    pins = next(place for place, entry in enumerate(log) if entry[1] == "pins")
    assert ("host", "waits for", copied) in log[:pins]


def test_it_grows_by_half(device):
    staging, log = Staging(device), device.streams.log
    for rows in range(10, 2000, 10):
        staging.copy_in(batch(rows))
    assert sum(entry[1] == "pins" for entry in log) < 30
