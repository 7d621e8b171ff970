"""The way of a batch to a GPU: all its arrays in one copy, while the step before still runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.device import Device

_ALIGNMENT = 256  # bytes that each array begins at a multiple of
_SLOTS = 2  # one is copied while the other is worked on


class Staging:
    """Copies arrays of the host to a device; those of the CPU stay where they are.

    The arrays that `copy_in` returns hold until it was called twice more.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._slots: list[_Slot] = []
        self._turn = 0

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles take along: no buffers."""
        return {"device": self.device, "_slots": [], "_turn": 0}

    def copy_in(self, arrays: Sequence[NDArray[Any]]) -> list[Any]:
        """These arrays on the device, by one copy; which are there already are not copied."""
        if not self.device.asynchronous:
            return list(arrays)
        if any(map(self.device.owns, arrays)):
            return [self.device.asarray(array) for array in arrays]
        starts, nbytes = [], 0
        for array in arrays:
            starts.append(nbytes)
            nbytes += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        slot = self._next_slot(nbytes)
        for array, start in zip(arrays, starts, strict=True):
            part = slot.on_host[start : start + array.nbytes].view(array.dtype)
            part.reshape(array.shape)[...] = array
        slot.copy(nbytes)
        return [
            slot.on_device[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
            for array, start in zip(arrays, starts, strict=True)
        ]

    def _next_slot(self, nbytes: int) -> _Slot:
        if not self._slots:
            self._slots = [_Slot(self.device, nbytes) for _ in range(_SLOTS)]
        # everything that uses the slot of the last call has been asked for by now
        self._slots[self._turn].release()
        self._turn = (self._turn + 1) % _SLOTS
        slot = self._slots[self._turn]
        slot.wait()  # also where it gives way: its memory is another's as soon as it is freed
        if len(slot.on_host) < nbytes:  # with room to grow: pinned memory takes milliseconds
            slot = self._slots[self._turn] = _Slot(self.device, nbytes + nbytes // 2)
        return slot


class _Slot:
    """A buffer on the host and its twin on the device."""

    def __init__(self, device: Device, nbytes: int) -> None:
        self.on_host = device.empty_pinned(nbytes)
        self.on_device = device.empty((nbytes,), np.uint8)
        self._cuda = device.streams
        if self._cuda is not None:
            self._stream = self._cuda.Stream(non_blocking=True)
            self._copied = self._cuda.Event(disable_timing=True)
            self._used = self._cuda.Event(disable_timing=True)
            # the memory may have been freed by Python while kernels of this stream still use it
            self.release()

    def wait(self) -> None:
        """Wait until the host's buffer can be written: the copy before this one is done."""
        if self._cuda is not None:
            self._copied.synchronize()

    def copy(self, nbytes: int) -> None:
        """Start the copy once the device is done with what the buffer held, and work after it."""
        if self._cuda is None:
            self.on_device[:nbytes] = self.on_host[:nbytes]
            return
        self._stream.wait_event(self._used)
        self.on_device[:nbytes].set(self.on_host[:nbytes], stream=self._stream)
        self._copied.record(self._stream)
        self._cuda.get_current_stream().wait_event(self._copied)

    def release(self) -> None:
        """Note that the device uses the buffer no later than what it has been asked for so far."""
        if self._cuda is not None:
            self._used.record(self._cuda.get_current_stream())
