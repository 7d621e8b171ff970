"""Scratch arrays that are kept between steps, so that a step faults in no fresh memory."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

from numpy.typing import DTypeLike

from lowprec.device import Device
from lowprec.turns import Turns


class Allocator:
    """Arrays on a device that nobody else has: for calls that may run side by side."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def empty(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array of this shape and dtype with arbitrary contents."""
        return self.device.empty(shape, dtype)


class Workspace(Allocator):
    """Named arrays on a device, made anew only where a larger one is asked for."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self._arrays: dict[str, Any] = {}
        self._turns = Turns()

    def __reduce__(self) -> Any:
        """Copies and pickles take no arrays along."""
        return Workspace, (self.device,)

    def alone(self, what: str) -> AbstractContextManager[None]:
        """RuntimeError if another call is inside such a block: two would share their arrays.

        Waits for those that have what the arrays work for `unchanged`.
        """
        return self._turns.alone(what)

    def unchanged(self, what: str) -> AbstractContextManager[None]:
        """Waits for a call that is `alone`; those that come later wait for this block."""
        return self._turns.unchanged(what)

    def empty(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array with arbitrary contents, valid until the next call with its name."""
        size = math.prod(shape)
        kept = self._arrays.get(name)
        if kept is None or kept.size < size or kept.dtype != dtype:
            kept = self._arrays[name] = self.device.empty((size,), dtype)
        return kept[:size].reshape(shape)
