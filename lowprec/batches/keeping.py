"""What a vocabulary is made of; `Vocabulary` does the rest."""

from __future__ import annotations

import numpy as np

from lowprec.batches.features import MAX_ROWS
from lowprec.batches.rows import FreeRows
from lowprec.batches.sightings import Sightings
from lowprec.batches.slots import Slots
from lowprec.checks import check_int, check_seed

STEPS = 2**32  # that a slot can tell apart
_MOST_COUNTED = 2**16


class Keeping:
    """The keys that have a row, the rows that have no key, and how often other keys were seen."""

    _kind: str | None = None  # of the keys
    _slots: Slots | None = None  # there are none before the kind is known
    _sightings: Sightings | None = None  # where `min_count` asks for them
    _refused = 0

    def _configure(self, capacity: int, min_count: int, ttl: int | None, seed: int) -> None:
        """Check the arguments, and begin without keys."""
        self.capacity = check_int("capacity", capacity, low=1, high=MAX_ROWS + 1)
        self.min_count = check_int("min_count", min_count, low=1, high=_MOST_COUNTED)
        self.ttl = None if ttl is None else check_int("ttl", ttl, low=0, high=STEPS)
        self.seed = check_seed(seed)
        self._free = FreeRows(self.capacity)
        if self.min_count > 1:
            self._sightings = Sightings(self.capacity, self.min_count, self.ttl, self.seed)

    @property
    def _dtype(self) -> np.dtype:
        """The dtype of rows, which tables take without a conversion."""
        return np.dtype(np.int32 if self.capacity <= 2**31 else np.int64)
