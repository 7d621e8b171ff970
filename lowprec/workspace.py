"""Scratch arrays that are kept between steps, so that a step faults in no fresh memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from numpy.typing import DTypeLike

from lowprec.device import Device
from lowprec.turns import Turns


class Allocator:
    """New arrays on a device, not shared: for calls that may run side by side."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def empty(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array of this shape and dtype with arbitrary contents."""
        return self.device.empty(shape, dtype)

    def zeros(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array of zeros, which whoever writes to it leaves as zeros again."""
        array = self.device.empty(shape, dtype)
        array[...] = 0
        return array

    def made_of(self, name: str, objects: list[Any], sizes: Any, make: Callable[[], Any]) -> Any:
        """What `make` makes of some objects and sizes."""
        return make()


class Workspace(Allocator):
    """Named arrays on a device, made anew only where a larger one is asked for."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self._arrays: dict[str, Any] = {}
        self._zeros: dict[str, Any] = {}
        self._given: dict[str, Any] = {}  # the last of each name, which is often asked for again
        self._made: dict[str, tuple[list[int], Any, Any, list[Any]]] = {}
        self.version = 0  # how many arrays were made
        self._turns = Turns()
        self._used: Any = None  # an event of the stream that worked with the arrays last
        self._stream: int | None = None  # its address

    def __reduce__(self) -> Any:
        """Copies and pickles take no arrays along."""
        return Workspace, (self.device,)

    def alone(self, what: str) -> AbstractContextManager[None]:
        """RuntimeError if another call is inside such a block: two would share their arrays.

        Waits for those that have what the arrays work for `unchanged`.  A GPU's streams take turns,
        too: what is asked for in such a block begins after what was in the one before.  What is
        captured for later is not asked for yet: whoever launches it is `alone`, too.
        """
        return self._turns.alone(what) if self.device.streams is None else self._in_order(what)

    @contextmanager
    def _in_order(self, what: str) -> Iterator[None]:
        streams = self.device.streams
        with self._turns.alone(what):
            stream = streams.get_current_stream()
            if stream.is_capturing():
                yield
                return
            if self._used is None:
                self._used = streams.Event(disable_timing=True)
            elif stream.ptr != self._stream:
                stream.wait_event(self._used)
            try:
                yield
            finally:
                self._used.record(stream)
                self._stream = stream.ptr

    def unchanged(self, what: str) -> AbstractContextManager[None]:
        """Waits for a call that is `alone`; those that come later wait for this block."""
        return self._turns.unchanged(what)

    def empty(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array with arbitrary contents, valid until the next call with its name."""
        given = self._given.get(name)
        if given is not None and given.shape == shape and given.dtype == dtype:
            return given
        size = math.prod(shape)
        kept = self._arrays.get(name)
        if kept is None or kept.size < size or kept.dtype != dtype:
            kept = self._arrays[name] = self.device.empty((size,), dtype)
            self.version += 1
        given = self._given[name] = kept[:size].reshape(shape)
        return given

    def zeros(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array of zeros, valid until the next call with its name; it is left as zeros."""
        size = math.prod(shape)
        kept = self._zeros.get(name)
        if kept is None or kept.size < size or kept.dtype != dtype:
            kept = self._zeros[name] = super().zeros(name, (size,), dtype)
            self.version += 1
        return kept[:size].reshape(shape)

    def made_of(self, name: str, objects: list[Any], sizes: Any, make: Callable[[], Any]) -> Any:
        """What `make` makes of some objects and sizes: what it made before, if of the same ones."""
        numbers = list(map(id, objects))
        kept = self._made.get(name)
        if kept is None or kept[0] != numbers or kept[1] != sizes:
            # the objects are kept, too: no other one can then have the number of one of them
            kept = self._made[name] = (numbers, sizes, make(), objects)
        return kept[2]
