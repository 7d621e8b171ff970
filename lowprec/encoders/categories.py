"""From the keys of a column's categories to rows of its table; row 0 is for all others.

Each kind of vocabulary has `seen`, which returns the vocabulary that has seen more keys, and
`rows`, which are those of keys.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.vocabulary import Vocabulary
from lowprec.kernels.cpu.encoding import bucket_rows, fill_slots, find_rows, text_keys

Keys = NDArray[np.uint64]
Rows = NDArray[np.int32]

MAX_ROWS = 2**31  # rows are int32


def _no_keys() -> Keys:
    return np.empty(0, np.uint64)


def _no_counts() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Learned:
    """A row for each key that was seen `min_count` times, the most frequent ones first.

    Keys of equal counts are in ascending order, so that rows do not depend on the order of the
    samples.
    """

    min_count: int
    keys: Keys = field(default_factory=_no_keys)  # ascending
    counts: NDArray[np.int64] = field(default_factory=_no_counts)

    def seen(self, keys: Keys) -> Learned:
        """With these keys counted."""
        more, counts = np.unique(keys, return_counts=True)
        if not self.keys.size:
            return Learned(self.min_count, more, counts.astype(np.int64))
        both, places = np.unique(np.concatenate([self.keys, more]), return_inverse=True)
        total = np.zeros(both.size, np.int64)
        total[places[: self.keys.size]] = self.counts
        total[places[self.keys.size :]] += counts
        return Learned(self.min_count, both, total)

    @functools.cached_property
    def num_embeddings(self) -> int:
        """Rows, row 0 included."""
        return 1 + int(np.count_nonzero(self.counts >= self.min_count))

    @functools.cached_property
    def _slots(self) -> tuple[Keys, Rows]:
        order = np.lexsort((self.keys, -self.counts))[: self.num_embeddings - 1]
        size = 1 << (2 * self.num_embeddings - 1).bit_length()
        slots, rows = np.zeros(size, np.uint64), np.zeros(size, np.int32)
        fill_slots(self.keys[order], slots, rows)
        return slots, rows

    def rows(self, keys: Keys) -> Rows:
        """The row of each key."""
        rows = np.empty(len(keys), np.int32)
        find_rows(keys, *self._slots, rows)
        return rows


@dataclass(frozen=True)
class Hashed:
    """A row for each key by its hash: nothing is learned, and keys may share a row."""

    num_embeddings: int
    salt: int  # of the column

    def seen(self, keys: Keys) -> Hashed:
        """The same."""
        return self

    def rows(self, keys: Keys) -> Rows:
        """The row of each key."""
        rows = np.empty(len(keys), np.int32)
        bucket_rows(keys, np.uint64(self.salt), self.num_embeddings, rows)
        return rows


@dataclass(frozen=True, eq=False)
class Grown:
    """A row for each key of a vocabulary, in which new keys get free rows and none moves."""

    vocabulary: Vocabulary

    @property
    def num_embeddings(self) -> int:
        """Rows, row 0 included, whether they are free or not."""
        return self.vocabulary.capacity

    def seen(self, keys: Keys) -> Grown:
        """With these keys admitted, in a new vocabulary: others may be reading this one."""
        vocabulary = copy.deepcopy(self.vocabulary)
        vocabulary.admit(keys)
        return Grown(vocabulary)

    def rows(self, keys: Keys) -> Rows:
        """The row of each key."""
        return self.vocabulary.find(keys)


def salt_of(name: str) -> int:
    """By which the hashes of a column differ from those of others: the key of its name."""
    data = np.frombuffer(name.encode(), np.uint8)
    key = np.empty(1, np.uint64)
    text_keys(np.array([0, len(data)]), data, key)
    return int(key[0])
