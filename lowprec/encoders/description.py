"""A fitted encoder as JSON and arrays, and back; what cannot be is a ValueError.

Numbers of 64 bits are pairs of uint32, low half first, as files have no such dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches import vocabulary_files
from lowprec.batches.vocabulary import Vocabulary
from lowprec.checks import check_choice, check_int
from lowprec.encoders.categories import MAX_ROWS, Grown, Hashed, Learned
from lowprec.encoders.columns import Column, Encoding
from lowprec.encoders.kinds import KINDS, NUMERICAL, ROLES
from lowprec.encoders.numbers import SAMPLE_SIZE, Numbers, in_sample
from lowprec.files.checkpoint import Checkpoint
from lowprec.scalar import xorshift
from lowprec.scalar.values import VERSION

_MOST = 2**63

Arrays = dict[str, NDArray[Any]]


def plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON has them."""
    return {name: _plain(value) for name, value in parameters.items()}


def changed(parameters: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
    """The name of a parameter that is not what it was."""
    now = plain(parameters)
    return next((name for name in now if now[name] != before[name]), None)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if value is None or isinstance(value, str):
        return value
    return np.asarray(value).tolist()


def describe(
    parameters: Mapping[str, Any], columns: Sequence[Column]
) -> tuple[dict[str, Any], Arrays]:
    """What a file holds of an encoder."""
    described: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for number, column in enumerate(columns):
        of_column, its_arrays = _describe(column.encoding)
        described.append({
            "name": column.name, "role": column.role, "kind": column.kind, **of_column,
        })  # fmt: skip
        arrays |= {f"{number}.{name}": array for name, array in its_arrays.items()}
    state = {"value_hash": VERSION, "parameters": plain(parameters), "columns": described}
    return state, arrays


def _describe(encoding: Encoding) -> tuple[dict[str, Any], Arrays]:
    if isinstance(encoding, Learned):
        arrays = {"keys": _halves(encoding.keys), "counts": _halves(encoding.counts)}
        return {"encoding": "learned", "min_count": encoding.min_count}, arrays
    if isinstance(encoding, Hashed):
        rows = encoding.num_embeddings
        return {"encoding": "hashed", "num_embeddings": rows, "salt": encoding.salt}, {}
    if isinstance(encoding, Grown):
        state, arrays = vocabulary_files.contents_of(encoding.vocabulary)
        return {"encoding": "grown", "vocabulary": state}, arrays
    described = {
        "encoding": "numbers", "bins": encoding.bins,
        "count": encoding.count, "level": encoding.level,
    }  # fmt: skip
    return described, {"places": _halves(encoding.places), "sample": encoding.sample}


def read(
    described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], list[Column]]:
    """The parameters and columns of what `describe` gave; KeyError, TypeError or ValueError."""
    if described["value_hash"] != VERSION:
        raise ValueError(f"has value hash {described['value_hash']!r}, not {VERSION}")
    columns = []
    left = dict(arrays)
    for number, entry in enumerate(described["columns"]):
        its_arrays = {
            name.partition(".")[2]: left.pop(name)
            for name in list(left)
            if name.partition(".")[0] == str(number)
        }
        columns.append(_column(number, entry, its_arrays))
    if left:
        raise ValueError(f"has the unexpected array {min(left)!r}")
    names = [column.name for column in columns]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"has the columns {names}")
    return dict(described["parameters"]), columns


def _column(number: int, entry: Mapping[str, Any], arrays: Arrays) -> Column:
    name, kind = entry["name"], entry["kind"]
    if not isinstance(name, str):
        raise TypeError(f"has a column named {name!r}")
    role = check_choice(f"the role of {name!r}", entry["role"], ROLES)
    if kind is not None:
        check_choice(f"the kind of {name!r}", kind, KINDS)
    encoded = check_choice(f"the encoding of {name!r}", entry["encoding"], _READERS)
    if (encoded == "numbers") != (role == NUMERICAL):
        raise ValueError(f"has the {role} column {name!r} encoded as {encoded}")
    column = Column(name, role, kind, _READERS[encoded](entry, arrays))
    if arrays:
        raise ValueError(f"has the unexpected array '{number}.{min(arrays)}'")
    return column


def _learned(entry: Mapping[str, Any], arrays: Arrays) -> Learned:
    min_count = check_int("min_count", entry["min_count"], low=1, high=_MOST)
    keys, counts = _from_halves(arrays, "keys"), _from_halves(arrays, "counts").view(np.int64)
    if (keys[1:] <= keys[:-1]).any() or keys.shape != counts.shape or (counts < 1).any():
        raise ValueError("has corrupted keys or counts")
    return Learned(min_count, keys, counts)


def _hashed(entry: Mapping[str, Any], arrays: Arrays) -> Hashed:
    rows = check_int("num_embeddings", entry["num_embeddings"], low=2, high=MAX_ROWS + 1)
    return Hashed(rows, check_int("salt", entry["salt"], low=0, high=2**64))


def _grown(entry: Mapping[str, Any], arrays: Arrays) -> Grown:
    state = entry["vocabulary"]
    vocabulary = Vocabulary(*(state[name] for name in vocabulary_files.ARGUMENTS))
    found = Checkpoint("the encoder", "Vocabulary", state, dict(arrays), xorshift.NAME)
    vocabulary_files.restore(vocabulary, found)
    arrays.clear()  # `restore` expects all of them
    return Grown(vocabulary)


def _numbers(entry: Mapping[str, Any], arrays: Arrays) -> Numbers:
    bins = check_int("bins", entry["bins"], low=1, high=_MOST)
    count = check_int("count", entry["count"], low=0, high=_MOST)
    level = check_int("level", entry["level"], low=0, high=64)
    places, sample = _from_halves(arrays, "places").view(np.int64), arrays.pop("sample")
    if (
        sample.dtype != np.float64 or sample.shape != places.shape or len(sample) > SAMPLE_SIZE
        or not np.isfinite(sample).all() or (places[1:] <= places[:-1]).any()
        or (len(places) and not 0 <= places[0] <= places[-1] < count)
        or not in_sample(places, level).all()
    ):  # fmt: skip
        raise ValueError("has a corrupted sample of numbers")
    return Numbers(bins, count, level, places, sample)


_READERS: dict[str, Callable[[Mapping[str, Any], Arrays], Encoding]] = {
    "learned": _learned,
    "grown": _grown, "hashed": _hashed, "numbers": _numbers,
}  # fmt: skip


def _halves(array: NDArray[Any]) -> NDArray[np.uint32]:
    return array.view(np.uint32).reshape(-1, 2)


def _from_halves(arrays: Arrays, name: str) -> NDArray[np.uint64]:
    halves = arrays.pop(name)
    if halves.dtype != np.uint32 or halves.ndim != 2 or halves.shape[1] != 2:
        raise ValueError(f"has {name} of {halves.dtype} {halves.shape}")
    return np.ascontiguousarray(halves).view(np.uint64).reshape(-1)
