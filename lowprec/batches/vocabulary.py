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
    """Rows of a table for keys that are not known in advance; new keys come, old ones expire.

    Row 0 is for unknown keys.  The rows of a batch depend on which keys it has and how often, but
    not on their order or on the number of threads.

    Parameters
    ----------
    capacity : int
        Number of rows, including row 0; at most 2**32 - 1.
    min_count : int, default 1
        How often a key must occur to be admitted, counting each occurrence in a batch; at most
        65,535.  Until then its row is 0.
    ttl : int, optional
        `expire` frees the rows of keys that `admit` has not seen for more than this many steps.
        None: never.
    seed : int, default 0
        Seed of the hashes, in [0, 2**64).

    Attributes
    ----------
    capacity, min_count, ttl, seed
        As given.
    refused, nbytes
        See the properties.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.

    Notes
    -----
    Keys are either 64-bit integers or strings; one vocabulary cannot hold both.  Integers of any
    dtype are converted in two's complement: -1 and 2**64 - 1 are the same key.  Strings are encoded
    in UTF-8, and ``b"a"`` and ``"a"`` are the same key.  Strings are identified by 128 bits of
    hashes: two of n strings have equal hashes with a probability of about ``n**2 / 2**129``,
    1.5e-25 for ten million.  Different integers are always different keys.

    Keys that are not admitted yet are counted in a count-min sketch, with 4 counters a key.  It
    never underestimates a count.  It may overestimate one, and then admits the key earlier.
    `expire` may forget occurrences more than `ttl` steps ago.

    Several Python threads may call `find` at once, but not during `admit` or `expire`; these allow
    one call at a time.  A copy, shallow or deep, has its own arrays.

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
        """How many keys have a row."""
        return 0 if self._slots is None else len(self._slots)

    def __contains__(self, key: Any) -> bool:
        """Whether a key has a row."""
        return bool(self.find([key])[0])

    def __copy__(self) -> Vocabulary:
        return copy.deepcopy(self)

    @property
    def refused(self) -> int:
        """How many keys got no row because none was free, counted once for each batch."""
        return self._refused

    @property
    def nbytes(self) -> int:
        """Bytes of the keys with their rows, and of the counters of keys without a row."""
        slots = 0 if self._slots is None else self._slots.nbytes
        counts = 0 if self._sightings is None else self._sightings.counts.nbytes
        return slots + counts + self._free.nbytes

    def find(self, keys: ArrayLike) -> Rows:
        """The rows of keys; changes nothing.

        Parameters
        ----------
        keys : array_like of int, str or bytes
            Of any shape.

        Returns
        -------
        ndarray of int32, shape of `keys`
            int64 if the capacity exceeds 2**31; 0 for keys without a row.

        Raises
        ------
        TypeError
            If `keys` are neither integers nor strings, or not of the kind that this vocabulary
            holds.

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
        return self._slots.find(words, self._dtype).reshape(shape)

    def admit(self, keys: ArrayLike, step: int = 0) -> tuple[Rows, Rows, NDArray[np.uint64]]:
        """The rows of the keys of a batch; new keys get a row.

        Parameters
        ----------
        keys : array_like of int, str or bytes
            Of any shape.
        step : int, default 0
            When the keys were seen, in [0, 2**32), for `expire`.  A step earlier than a key's last
            one does not change it.

        Returns
        -------
        rows : ndarray of int32, shape of `keys`
            As `find` returns them after this call.
        new_rows : ndarray of int32, shape (m,)
            The rows of new keys, ascending, for `EmbeddingTable.reset`.
        new_keys : ndarray of uint64, shape (m,)
            Their keys, also ascending; for strings, their first hash.

        Raises
        ------
        TypeError
            If `keys` are neither integers nor strings, or not of the kind that this vocabulary
            holds.
        TypeError, ValueError
            If `step` is not an integer, or out of range.
        RuntimeError
            If another thread admits or expires keys at the same time.

        Notes
        -----
        The new keys in ascending order, as unsigned numbers, get the lowest free rows.  If no row
        is left, a key gets row 0 and is counted in `refused`.

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
        """Free the rows of keys that `admit` has not seen in the last `ttl` steps.

        Parameters
        ----------
        step : int
            The current step, in [0, 2**32).

        Returns
        -------
        ndarray of int32, shape (m,)
            The rows that were freed, ascending; empty without a `ttl`.

        Raises
        ------
        TypeError, ValueError
            If `step` is not an integer, or out of range.
        RuntimeError
            If another thread admits or expires keys at the same time.

        Notes
        -----
        The time depends on the number of all keys, not only of those that expire.  Freed rows need
        no reset until `admit` gives them to other keys.

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
            raise ValueError(f"a Vocabulary is always on the CPU, got device={device!r}")
        with found.reading() as state:
            made = cls(*(state[name] for name in vocabulary_files.ARGUMENTS))
        vocabulary_files.restore(made, found)
        return made
