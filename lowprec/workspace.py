"""Scratch arrays that are kept between steps, so that a step faults in no fresh memory."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import DTypeLike

from lowprec.device import Device


class Fresh:
    """Arrays on a device that nobody else has: for calls that may run side by side."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def empty(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array of this shape and dtype with arbitrary contents."""
        return self.device.empty(shape, dtype)


class Workspace(Fresh):
    """Named arrays on a device, made anew only where a larger one is asked for."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self._arrays: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles take along: no arrays."""
        return {"device": self.device, "_arrays": {}}

    def empty(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array with arbitrary contents, valid until the next call with its name."""
        size = math.prod(shape)
        kept = self._arrays.get(name)
        if kept is None or kept.size < size or kept.dtype != dtype:
            kept = self._arrays[name] = self.device.empty((size,), dtype)
        return kept[:size].reshape(shape)
