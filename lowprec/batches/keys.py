"""Keys of a vocabulary: integers or strings, as the 64-bit numbers that kernels take."""

from __future__ import annotations

from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.checks import as_keys
from lowprec.checks import as_array
from lowprec.kernels.cpu.vocabulary import hash_text, key_of
from lowprec.scalar.vocabulary import CHECK, TEXT

INTEGERS, STRINGS = "integers", "strings"
WORDS = {INTEGERS: 1, STRINGS: 2}  # of a key: integers are themselves, strings have two hashes


class Keys(NamedTuple):
    """Checked keys, flat."""

    words: NDArray[np.uint64]  # (n, WORDS[kind])
    shape: tuple[int, ...]  # in which they were given
    kind: str | None  # INTEGERS or STRINGS; None where there are no keys to tell it


def check_keys(keys: Any, seed: int) -> Keys:
    """Keys that a user gave, of any shape; strings are hashed by a seed.

    Raises
    ------
    TypeError
        If they are neither integers nor strings; names the place of one in an array of objects.
    """
    array = _as_array(keys)
    if array.size == 0:
        return Keys(np.empty((0, 1), np.uint64), array.shape, None)
    if array.dtype.kind in "iu":
        words = np.require(as_keys("keys", array), np.uint64, ["C", "ALIGNED"])
        return Keys(words.reshape(-1, 1), array.shape, INTEGERS)
    if array.dtype.kind not in "USTO":
        raise TypeError(f"keys must be integers or strings, got {array.dtype}")
    return Keys(_hashed(_as_bytes(array), seed), array.shape, STRINGS)


def distinct(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each of these keys once, ascending."""
    if words.shape[1] == 1:
        flat = np.sort(words[:, 0])
        new = flat[1:] != flat[:-1]
        words = flat[:, None]
    else:
        words = words[np.lexsort((words[:, 1], words[:, 0]))]
        new = (words[1:] != words[:-1]).any(axis=1)
    return words[np.concatenate([[True], new])]


def _as_array(keys: Any) -> NDArray[Any]:
    array = as_array("keys", keys)
    if array.dtype.kind in "US" and not isinstance(keys, np.ndarray):
        # NumPy's strings have lost zeros at their ends, and numbers among them were spelled out
        return np.asarray(keys, dtype=object)
    return array


def _as_bytes(array: NDArray[Any]) -> list[bytes]:
    """Each string in UTF-8; bytes stay as they are."""
    flat: list[Any] = array.reshape(-1).tolist()
    if array.dtype.kind == "S":
        return flat
    try:
        return list(map(str.encode, flat, repeat("utf-8"), repeat("surrogatepass")))
    except TypeError:  # not all are str
        return [_bytes_of(array, place, key) for place, key in enumerate(flat)]


def _bytes_of(array: NDArray[Any], place: int, key: Any) -> bytes:
    if isinstance(key, bytes):
        return key
    if isinstance(key, str):
        return key.encode("utf-8", "surrogatepass")
    where = [int(i) for i in np.unravel_index(place, array.shape)] or ""
    raise TypeError(
        f"keys must be integers or strings, got keys{where} = {key!r} among objects, which must "
        "be str or bytes"
    )


def _hashed(strings: list[bytes], seed: int) -> NDArray[np.uint64]:
    """Both hashes of each string, (n, 2)."""
    data = np.frombuffer(b"".join(strings) or b"\0", np.uint8)
    offsets = np.zeros(len(strings) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, strings), np.int64, len(strings)), out=offsets[1:])
    words = np.empty((len(strings), 2), np.uint64)
    hash_text(data, offsets, key_of(seed, TEXT), key_of(seed, CHECK), words)
    return words
