"""Which keys of a batch get a row of a vocabulary, and which row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.keeping import Keeping
from lowprec.batches.keys import distinct
from lowprec.batches.slots import Slots

Admitted = tuple[NDArray[Any], NDArray[Any], NDArray[np.uint64]]


def admit(vocabulary: Keeping, slots: Slots, words: NDArray[np.uint64], step: int) -> Admitted:
    """The row of each key, and the new keys with their rows: see `Vocabulary.admit`.

    The result depends only on the set of unknown keys, and on how often each occurs.
    """
    seen = None if vocabulary.ttl is None else step  # noted for `expire` alone: a write a key
    rows, places = slots.find_and_list(words, vocabulary._dtype, seen)
    if not places.size:
        return rows, rows[:0], words[:0, 0]
    unknown = words[places]
    wanted = distinct(unknown)
    sightings = vocabulary._sightings
    if sightings is not None:
        sightings.count(unknown)
        wanted = wanted[sightings.of(wanted) >= vocabulary.min_count]
    new_rows = vocabulary._free.take(len(wanted)).astype(vocabulary._dtype)
    vocabulary._refused += len(wanted) - len(new_rows)
    wanted = wanted[: len(new_rows)]
    slots.insert(wanted, new_rows, step)
    if len(new_rows):
        rows[places] = slots.find(unknown, vocabulary._dtype)
    return rows, new_rows, np.ascontiguousarray(wanted[:, 0])
