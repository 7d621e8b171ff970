"""Scratch arrays that are kept between steps, so that a step faults in no fresh memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

CACHE_LINE_BYTES = 64


def empty_aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An uninitialised array that begins with a cache line: a row then touches no line in vain."""
    nbytes = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(nbytes + CACHE_LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE_BYTES
    return raw[start : start + nbytes].view(dtype).reshape(shape)


class Fresh:
    """Arrays that nobody else has: for calls that may run side by side."""

    def empty(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of this shape and dtype with arbitrary contents."""
        return np.empty(shape, dtype)


class Workspace(Fresh):
    """Named arrays, made anew only where a larger one is asked for."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles take along: no arrays."""
        return {"_arrays": {}}

    def empty(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array with arbitrary contents, valid until the next call with its name."""
        size = math.prod(shape)
        kept = self._arrays.get(name)
        if kept is None or kept.size < size or kept.dtype != dtype:
            kept = self._arrays[name] = empty_aligned((size,), dtype)
        return kept[:size].reshape(shape)
