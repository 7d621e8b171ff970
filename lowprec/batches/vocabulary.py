"""A vocabulary: which row of a table each key has, as keys come and go."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.batches import vocabulary_files
from lowprec.batches.admission import admit
from lowprec.batches.keeping import STEPS, Keeping
from lowprec.batches.keys import WORDS, check_keys
from lowprec.batches.slots import Slots
from lowprec.checks import check_int
from lowprec.files.checkpoint import Checkpoint
from lowprec.files.saved import Saved
from lowprec.interrupts import Uninterrupted
from lowprec.turns import OwnTurns
from lowprec.typing import DeviceName

Rows = NDArray[Any]  # int32 or int64


class Vocabulary(Keeping, Saved):
    """Rows of a table for keys that are not known before: new ones are admitted, old ones expire.

    Row 0 is that of unknown keys.  The rows of a batch depend on which keys it holds and how often,
    and not on their order, on threads, or on how the batch was put together.

    Parameters
    ----------
    capacity : int
        Rows, row 0 included: at most 2**32 - 1.
    min_count : int, default 1
        A key is admitted when it was seen so often, each occurrence in a batch counted; at most
        65,535.  Until then its row is 0.
    ttl : int, optional
        `expire` frees the rows of keys that were not admitted or seen again by `admit` for more
        than so many steps.  None: never.
    seed : int, default 0
        In [0, 2**64): of the hashes.

    Attributes
    ----------
    capacity, min_count, ttl, seed
        As given.
    refused, nbytes
        See the properties.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of what is listed above.

    Notes
    -----
    Keys are 64-bit numbers, or strings; a vocabulary holds the one or the other.  Integers of any
    dtype are taken by their bits in two's complement: -1 and 2**64 - 1 are the same key.  Strings
    are encoded in UTF-8, and ``b"a"`` and ``"a"`` are the same key.  Strings are identified by 128
    bits of hashes: two of n strings have equal hashes with a probability of about
    ``n**2 / 2**129``, 1.5e-25 for ten million.  Different integers are always different keys.

    Keys that are not admitted yet are counted in a count-min sketch, 4 counters a key.  It never
    counts a key less often than it was seen; it may count it more often, and then admits it
    earlier.  After `expire`, what was seen more than `ttl` steps ago may be forgotten.

    `find` may be called from several Python threads at once, but not beside `admit` or `expire`,
    of which there is one call at a time.  A copy, shallow or deep, has arrays of its own.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> vocabulary = lp.Vocabulary(capacity=4)
    >>> rows, new_rows, new_keys = vocabulary.admit([900, 17, 900])
    >>> rows, new_rows, new_keys  # new keys in ascending order take the lowest free rows
    (array([2, 1, 2], dtype=int32), array([1, 2], dtype=int32), array([ 17, 900], dtype=uint64))
    >>> table = lp.EmbeddingTable(vocabulary.capacity, embedding_dim=8)
    >>> table.reset(new_rows, new_keys)
    >>> table.lookup(rows).shape
    (3, 8)
    >>> vocabulary.find([17, 5])
    array([1, 0], dtype=int32)
    """

    _turns = OwnTurns()

    def __init__(
        self, capacity: int, min_count: int = 1, ttl: int | None = None, seed: int = 0
    ) -> None:
        self._configure(capacity, min_count, ttl, seed)

    def __repr__(self) -> str:
        return (
            f"Vocabulary(capacity={self.capacity}, min_count={self.min_count}, ttl={self.ttl}, "
            f"seed={self.seed})"
        )

    def __len__(self) -> int:
        """How many keys have a row of their own."""
        return 0 if self._slots is None else len(self._slots)

    def __contains__(self, key: Any) -> bool:
        """Whether one key has a row of its own."""
        return bool(self.find([key])[0])

    def __copy__(self) -> Vocabulary:
        return copy.deepcopy(self)

    @property
    def refused(self) -> int:
        """How many keys found no free row, those of each batch counted anew."""
        return self._refused

    @property
    def nbytes(self) -> int:
        """Bytes of the keys with their rows, and of what counts those that have none."""
        slots = 0 if self._slots is None else self._slots.nbytes
        counts = 0 if self._sightings is None else self._sightings.counts.nbytes
        return slots + counts + self._free.nbytes

    def find(self, keys: ArrayLike) -> Rows:
        """The rows of keys; nothing is changed.

        Parameters
        ----------
        keys : array_like of int, str or bytes
            Of any shape.

        Returns
        -------
        ndarray of int32, shape of `keys`
            int64 if the capacity is beyond 2**31; 0 for keys that have no row.

        Raises
        ------
        TypeError
            If `keys` are neither integers nor strings, or not those that this vocabulary holds.

        Examples
        --------
        >>> import lowprec as lp
        >>> vocabulary = lp.Vocabulary(100)
        >>> _ = vocabulary.admit(["red", "green"])
        >>> vocabulary.find([["green", "blue"]])
        array([[2, 0]], dtype=int32)
        """
        words, shape, kind = check_keys(keys, self.seed)
        self._check_kind(kind)
        if self._slots is None or kind is None:
            return np.zeros(shape, self._dtype)
        return self._slots.find(words, self._dtype)[0].reshape(shape)

    def admit(self, keys: ArrayLike, step: int = 0) -> tuple[Rows, Rows, NDArray[np.uint64]]:
        """The rows of the keys of a batch, which get rows of their own if they have none.

        Parameters
        ----------
        keys : array_like of int, str or bytes
            Of any shape.
        step : int, default 0
            In [0, 2**32): when they were seen, for `expire`.  A step before the one at which a key
            was seen last leaves that.

        Returns
        -------
        rows : ndarray of int32, shape of `keys`
            As `find` gives them then.
        new_rows : ndarray of int32, shape (m,)
            The rows that were given to new keys, ascending: what `EmbeddingTable.reset` takes.
        new_keys : ndarray of uint64, shape (m,)
            Their keys, ascending, too; of strings their first hash.

        Raises
        ------
        TypeError
            If `keys` are neither integers nor strings, or not those that this vocabulary holds.
        TypeError, ValueError
            If `step` is no integer, or out of range.
        RuntimeError
            If another thread admits or expires keys at the same time.

        Notes
        -----
        The new keys in ascending order, as unsigned numbers, take the lowest free rows.  Keys for
        which there is none left have row 0 and are counted in `refused`.

        Examples
        --------
        >>> import lowprec as lp
        >>> vocabulary = lp.Vocabulary(capacity=3, min_count=2)
        >>> vocabulary.admit([8, 5, 5])[0]  # 8 was seen once
        array([0, 1, 1], dtype=int32)
        >>> vocabulary.admit([9, 9, 8])[0], vocabulary.refused  # 8 takes the last row, 9 finds none
        (array([0, 0, 2], dtype=int32), 1)
        """
        words, shape, kind = check_keys(keys, self.seed)
        self._check_kind(kind)
        step = check_int("step", step, low=0, high=STEPS)
        with Uninterrupted(), self._turns.alone("this vocabulary admits keys"):
            if kind is None:
                none = np.zeros(0, self._dtype)
                return np.zeros(shape, self._dtype), none, none.astype(np.uint64)
            if self._slots is None:
                self._kind, self._slots = kind, Slots(self.capacity, WORDS[kind], self.seed)
            rows, new_rows, new_keys = admit(self, self._slots, words, step)
        return rows.reshape(shape), new_rows, new_keys

    def expire(self, step: int) -> Rows:
        """Free the rows of keys that `admit` has not seen for more than `ttl` steps before a step.

        Parameters
        ----------
        step : int
            In [0, 2**32): now.

        Returns
        -------
        ndarray of int32, shape (m,)
            The rows that are free from now on, ascending; none if there is no `ttl`.

        Raises
        ------
        TypeError, ValueError
            If `step` is no integer, or out of range.
        RuntimeError
            If another thread admits or expires keys at the same time.

        Notes
        -----
        Takes time for all keys, not only for those that go.  Weights of freed rows need no reset
        before `admit` gives them to other keys.

        Examples
        --------
        >>> import lowprec as lp
        >>> vocabulary = lp.Vocabulary(capacity=100, ttl=10)
        >>> _ = vocabulary.admit([7, 8], step=0)
        >>> _ = vocabulary.admit([8], step=5)
        >>> vocabulary.expire(step=11)
        array([1], dtype=int32)
        >>> 7 in vocabulary, 8 in vocabulary
        (False, True)
        """
        step = check_int("step", step, low=0, high=STEPS)
        with Uninterrupted(), self._turns.alone("keys of this vocabulary expire"):
            if self.ttl is None:
                return np.zeros(0, self._dtype)
            if self._sightings is not None:
                self._sightings.forget(step, self.ttl)
            if self._slots is None:
                return np.zeros(0, self._dtype)
            freed = self._slots.remove_unseen(max(0, step - self.ttl))
            self._free.give_back(freed)
        return freed.astype(self._dtype)

    def _check_kind(self, kind: str | None) -> None:
        if kind is not None and self._kind not in (None, kind):
            raise TypeError(f"this vocabulary holds {self._kind}, got keys that are {kind}")

    def _unchanged(self, what: str) -> AbstractContextManager[None]:
        return self._turns.unchanged(what)

    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return vocabulary_files.contents_of(self)

    @classmethod
    def _from_file(cls, found: Checkpoint, device: DeviceName) -> Vocabulary:
        if device != "cpu":
            raise ValueError(f"a Vocabulary lives on the CPU, got device={device!r}")
        with found.reading() as state:
            made = cls(*(state[name] for name in vocabulary_files.ARGUMENTS))
        vocabulary_files.restore(made, found)
        return made
