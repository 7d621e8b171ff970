"""The keys of a vocabulary with their rows: an open hash table that grows with them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.device import get_device
from lowprec.kernels.cpu import vocabulary as kernels
from lowprec.scalar.vocabulary import SLOT

_FEWEST = 1024  # keys that there is room for
_LOW = np.uint64(0xFFFFFFFF)
_ROW = np.uint64(32)


class Entries(NamedTuple):
    """The keys of a table of slots, with their rows and steps, sorted by row."""

    rows: NDArray[np.uint32]
    keys: NDArray[np.uint64]  # (n, words)
    steps: NDArray[np.uint32]  # at which they were seen last


class Slots:
    """At most `capacity` keys of a fixed number of 64-bit words, their rows and last steps."""

    def __init__(self, capacity: int, words: int, seed: int) -> None:
        self._capacity = capacity
        self._of_slots = kernels.key_of(seed, SLOT)
        self._count = 0
        self._array = self._room_for(_FEWEST, words)

    def __len__(self) -> int:
        return self._count

    @property
    def words(self) -> int:
        """How many 64-bit words a key has."""
        return int(self._array.shape[1]) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of the table as it is now."""
        return self._array.nbytes

    def find(self, keys: NDArray[np.uint64], dtype: np.dtype) -> NDArray[Any]:
        """The rows of keys, 0 where there is none."""
        rows = np.empty(len(keys), dtype)
        if len(keys):
            kernels.find(self._array, self._of_slots, keys, rows)
        return rows

    def find_and_list(
        self, keys: NDArray[np.uint64], dtype: np.dtype, step: int | None
    ) -> tuple[NDArray[Any], NDArray[np.uint64]]:
        """The rows of keys, of which there are some, and the places of those that have none.

        Given a `step`, the others are noted as seen.
        """
        rows = np.empty(len(keys), dtype)
        return rows, kernels.find_and_list(self._array, self._of_slots, keys, step, rows)

    def insert(self, keys: NDArray[np.uint64], rows: NDArray[Any], steps: Any) -> None:
        """Add keys; ValueError if one is there already."""
        if not len(keys):
            return
        if 2 * (self._count + len(keys)) > len(self._array):
            self._grow(self._count + len(keys))
        entries = (rows.astype(np.uint64) << _ROW) | np.asarray(steps, np.uint64)
        there = kernels.insert(self._array, self._of_slots, keys, entries)
        if there >= 0:
            raise ValueError(f"the key {keys[there].tolist()} has two rows")
        self._count += len(keys)

    def remove_unseen(self, since: int) -> NDArray[np.uint32]:
        """Remove the keys that were last seen before a step; their rows, ascending."""
        rows = np.empty(self._count, np.uint32)
        removed = kernels.remove_unseen(self._array, self._of_slots, np.uint64(since), rows)
        self._count -= removed
        return np.sort(rows[:removed])

    def entries(self) -> Entries:
        """All keys, by row."""
        held = self._array[np.flatnonzero(self._array[:, 1])]
        held = held[np.argsort(held[:, 1])]
        keys = np.ascontiguousarray(np.delete(held, 1, axis=1))
        rows, steps = held[:, 1] >> _ROW, held[:, 1] & _LOW
        return Entries(rows.astype(np.uint32), keys, steps.astype(np.uint32))

    def _room_for(self, keys: int, words: int) -> NDArray[np.uint64]:
        """Empty slots, two for each key, where buckets are whole and begin with a cache line."""
        count = -(-2 * min(keys, self._capacity) // kernels.BUCKET) * kernels.BUCKET
        slots: NDArray[np.uint64] = get_device("cpu").empty((count, words + 1), np.uint64)
        slots[...] = 0
        return slots

    def _grow(self, keys: int) -> None:
        larger = self._room_for(max(keys, len(self._array)), self.words)
        held = self._array[np.flatnonzero(self._array[:, 1])]
        if len(held):
            others = np.ascontiguousarray(np.delete(held, 1, axis=1))
            kernels.insert(larger, self._of_slots, others, np.ascontiguousarray(held[:, 1]))
        self._array = larger
