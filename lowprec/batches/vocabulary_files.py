"""A vocabulary in a file: its keys by row, so that equal vocabularies have equal files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.keeping import Keeping
from lowprec.batches.keys import STRINGS, WORDS
from lowprec.batches.rows import FreeRows
from lowprec.batches.slots import Entries, Slots
from lowprec.checks import check_int
from lowprec.files.checkpoint import Checkpoint, CheckpointError
from lowprec.scalar.vocabulary import TEXT_VERSION

ARGUMENTS = ("capacity", "min_count", "ttl", "seed")
_COUNTS = "counts"
_MOST = 2**63


def contents_of(vocabulary: Keeping) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """All but the arrays, as JSON has it, and the arrays."""
    state: dict[str, Any] = {name: getattr(vocabulary, name) for name in ARGUMENTS}
    state |= {"holds": vocabulary._kind, "refused": vocabulary._refused}
    arrays: dict[str, NDArray[Any]] = {}
    if vocabulary._kind == STRINGS:
        state["text_hash_version"] = TEXT_VERSION
    if vocabulary._slots is not None:
        arrays |= vocabulary._slots.entries()._asdict()
    if vocabulary._sightings is not None:
        state["counts_begun"] = vocabulary._sightings.begun
        arrays[_COUNTS] = vocabulary._sightings.counts
    return state, arrays


def restore(vocabulary: Keeping, found: Checkpoint) -> None:
    """Fill a new vocabulary from a file; CheckpointError if the contents are invalid."""
    names: list[str] = []
    with found.reading() as state:
        kind = state["holds"]
        vocabulary._refused = check_int("refused", state["refused"], low=0, high=_MOST)
        if kind is not None:
            names += Entries._fields
            vocabulary._kind = kind
            vocabulary._slots = Slots(vocabulary.capacity, WORDS[kind], vocabulary.seed)
            _restore_entries(vocabulary, vocabulary._slots, found)
        if vocabulary._sightings is not None:
            names.append(_COUNTS)
            empty = vocabulary._sightings.counts
            vocabulary._sightings.counts = found.array(_COUNTS, empty.shape, empty.dtype)
            begun = check_int("counts_begun", state["counts_begun"], low=0, high=_MOST)
            vocabulary._sightings.begun = begun
    found.expect_arrays(names)


def _restore_entries(vocabulary: Keeping, slots: Slots, found: Checkpoint) -> None:
    if vocabulary._kind == STRINGS and found.state["text_hash_version"] != TEXT_VERSION:
        version = found.state["text_hash_version"]
        raise CheckpointError(
            f"{found.path} has keys by version {version!r} of the text hash, not {TEXT_VERSION}"
        )
    count = getattr(found.arrays.get("rows"), "size", 0)
    rows = found.array("rows", (count,), np.dtype(np.uint32))
    keys = found.array("keys", (count, slots.words), np.dtype(np.uint64))
    steps = found.array("steps", (count,), np.dtype(np.uint32))
    if count and (rows[0] == 0 or rows[-1] >= vocabulary.capacity or (rows[1:] <= rows[:-1]).any()):
        raise CheckpointError(f"{found.path}: 'rows' are not ascending rows of its capacity")
    slots.insert(keys, rows, steps)
    vocabulary._free = FreeRows(vocabulary.capacity, rows)
