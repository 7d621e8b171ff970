"""Arrays between ranks, and errors that all ranks raise together."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.files.checkpoint import CheckpointError
from lowprec.mpi.communicator import as_communicator

# An error of another rank is raised as one of these, which a message is enough to make.
_NAMES = (
    "FloatingPointError", "IndexError", "MemoryError", "OSError", "FileNotFoundError",
    "PermissionError", "RuntimeError", "TypeError", "ValueError",
)  # fmt: skip
_KINDS: dict[str, type[Exception]] = {name: getattr(builtins, name) for name in _NAMES}
_KINDS["CheckpointError"] = CheckpointError


def _kind_of(error: Exception) -> str:
    """The name of the closest of these kinds."""
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((name for name in names if name in _KINDS), "RuntimeError")


class Exchange:
    """What ranks say to each other; `bytes_sent` counts what this one has sent to others."""

    def __init__(self, comm: Any) -> None:
        self.comm = as_communicator(comm)
        self.rank, self.size = self.comm.rank, self.comm.size
        self.bytes_sent = 0

    def flags(self, *numbers: int) -> NDArray[np.int64]:
        """The numbers of every rank, (size, len(numbers))."""
        own = np.array(numbers, np.int64)
        self.bytes_sent += own.nbytes * (self.size - 1)
        return self.comm.flags(own)

    def counts(self, *to_each: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """For each array (size,) of numbers for the ranks, those from the ranks."""
        rows = np.stack(to_each, axis=1).astype(np.int64)
        self.bytes_sent += rows[0].nbytes * (self.size - 1)
        return list(self.comm.counts(np.ascontiguousarray(rows)).T)

    def rows(
        self, array: NDArray[Any], to_each: NDArray[np.int64], from_each: NDArray[np.int64]
    ) -> NDArray[Any]:
        """The rows of a NumPy array, sorted by where they go, and those that come here."""
        found = np.empty((int(from_each.sum()), *array.shape[1:]), array.dtype)
        own, to_others = self.own(to_each), to_each.copy()
        to_others[self.rank] = 0
        found[self.own(from_each)] = array[own]
        self.begin(without(np, array, own), to_others, found, from_each)()
        return found

    def own(self, counts: NDArray[np.int64]) -> slice:
        """The rows of this rank, where rank r has ``counts[r]`` rows, in the order of ranks."""
        start = int(counts[: self.rank].sum())
        return slice(start, start + int(counts[self.rank]))

    def begin(
        self,
        array: NDArray[Any],
        to_each: NDArray[np.int64],
        found: NDArray[Any],
        from_each: NDArray[np.int64],
    ) -> Callable[[], None]:
        """Begin to exchange rows with others; returns what waits until `found` has them.

        `array` has none for this rank itself, and the room for them in `found` is left as it is.
        """
        width = array.dtype.itemsize * math.prod(array.shape[1:])
        self.bytes_sent += width * int(to_each.sum())
        return self.comm.exchange(
            _as_bytes(array), to_each * width, _as_bytes(found), from_each * width
        )

    def agreed(self, action: Callable[[], Any]) -> Any:
        """What an action of this rank alone returns, if it raises on no rank."""
        try:
            found, error = action(), None
        except Exception as raised:
            found, error = None, raised
        self.agree(error)
        return found

    def agree(self, error: Exception | None = None, *numbers: int) -> NDArray[np.int64]:
        """The numbers of every rank, (size, len(numbers)), if none has an error.

        Otherwise all ranks raise the error of the first that has one.
        """
        text = b"" if error is None else f"{_kind_of(error)}\n{error}".encode()
        found = self.flags(len(text), *numbers)
        failed = np.flatnonzero(found[:, 0])
        if not failed.size:
            return found[:, 1:]
        to_each = np.full(self.size, len(text), np.int64)
        words = np.frombuffer(text * self.size, np.uint8)
        texts = self.rows(words, to_each, found[:, 0]).tobytes()
        start = int(found[: failed[0], 0].sum())
        name, _, message = texts[start : start + int(found[failed[0], 0])].decode().partition("\n")
        raise _KINDS[name](f"rank {failed[0]}: {message}") from error


def without(xp: Any, array: NDArray[Any], own: slice) -> NDArray[Any]:
    """The rows of an array of NumPy, or of `xp`, that are for others."""
    if own.start == own.stop:
        return array
    return xp.concatenate([array[: own.start], array[own.stop :]])  # type: ignore[no-any-return]


def _as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)
