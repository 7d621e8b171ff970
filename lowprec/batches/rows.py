"""The rows of a vocabulary that are free."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class FreeRows:
    """The rows from 1 on that no key has; the lowest are taken first."""

    def __init__(self, capacity: int, taken: NDArray[np.uint32] | None = None) -> None:
        """All rows are free, or all but those that are `taken`, which ascend."""
        self._capacity = capacity
        self._untouched = 1  # this row and all that follow were never taken
        self._returned = np.zeros(0, np.uint32)  # free rows before that, ascending
        if taken is not None and taken.size:
            self._untouched = int(taken[-1]) + 1
            free = np.ones(self._untouched, np.bool_)
            free[0] = False
            free[taken] = False
            self._returned = np.flatnonzero(free).astype(np.uint32)

    @property
    def nbytes(self) -> int:
        """Bytes of the list of those that were returned."""
        return self._returned.nbytes

    def take(self, count: int) -> NDArray[np.uint32]:
        """Take `count` rows, or all if there are fewer, ascending."""
        first, self._returned = self._returned[:count], self._returned[count:]
        start = self._untouched
        self._untouched = min(self._capacity, start + count - first.size)
        return np.concatenate([first, np.arange(start, self._untouched, dtype=np.uint32)])

    def give_back(self, rows: NDArray[np.uint32]) -> None:
        """Free these rows again."""
        if rows.size:
            self._returned = np.sort(np.concatenate([self._returned, rows]))
