"""Values of Arrow arrays as NumPy arrays: 64-bit keys for categories, float64 for numbers.

Values compare by value, not by type: 3, 3.0, a decimal 3 and a dictionary's 3 have one key.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.encoders.frames import import_pyarrow
from lowprec.encoders.kinds import DURATION, INSTANT, NUMBER, TEXT, TIME, kind_of
from lowprec.kernels.cpu.encoding import text_keys, word_keys
from lowprec.scalar import values as meanings

_MICROSECONDS = 1e6
_EXACT = 2.0**53  # float64 has all integers up to here
_INT64, _UINT64 = 2.0**63, 2.0**64
_MEANINGS = {INSTANT: meanings.INSTANT, DURATION: meanings.DURATION, TIME: meanings.TIME}


class Keys(NamedTuple):
    """The keys of categories."""

    keys: NDArray[np.uint64]  # (n,)
    missing: NDArray[np.bool_] | None  # (n,), or None where no value is

    def present(self) -> NDArray[np.uint64]:
        """Those of values that are not missing."""
        return self.keys if self.missing is None else self.keys[~self.missing]


def keys_of(array: Any) -> Keys:
    """The keys of the values of an array; those of missing ones mean nothing."""
    kind = kind_of(array.type)
    if kind is None:
        return Keys(np.zeros(len(array), np.uint64), np.ones(len(array), np.bool_))
    if import_pyarrow().types.is_dictionary(array.type):
        return _keys_of_dictionary(array)
    if kind == TEXT:
        return Keys(_keys_of_text(array), _missing(array))
    if kind == NUMBER:
        return _keys_of_numbers(array)
    return Keys(_keys_of_words(_microseconds(array, kind), _MEANINGS[kind]), _missing(array))


def floats_of(array: Any) -> NDArray[np.float64]:
    """The values of an array as float64, NaN where they are missing; seconds of time."""
    pyarrow = import_pyarrow()
    kind = kind_of(array.type)
    if kind is None:
        return np.full(len(array), np.nan)
    if pyarrow.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if kind == NUMBER:
        return _as_floats(array)
    missing = _missing(array)
    # only nanoseconds lose digits; what else does not fit would wrap around
    safe = getattr(array.type, "unit", None) != "ns"
    seconds = _microseconds(array, kind, safe) / _MICROSECONDS
    if missing is not None:
        seconds[missing] = np.nan
    return seconds


def _missing(array: Any) -> NDArray[np.bool_] | None:
    return array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None


def _keys_of_dictionary(array: Any) -> Keys:
    """Those of the dictionary, where that is the shorter one."""
    if not is_short_dictionary(array):
        return keys_of(array.dictionary_decode())
    entries = keys_of(array.dictionary)
    # one entry more, which the missing ones take
    keys = np.append(entries.keys, np.uint64(0))
    is_missing = np.append(
        np.zeros(len(entries.keys), np.bool_) if entries.missing is None else entries.missing, True
    )
    places = places_in_dictionary(array)
    missing = is_missing[places]
    return Keys(keys[places], missing if missing.any() else None)


def is_short_dictionary(array: Any) -> bool:
    """Whether values are told by their places among fewer ones."""
    if not import_pyarrow().types.is_dictionary(array.type):
        return False
    return len(array.dictionary) <= len(array)


def places_in_dictionary(array: Any) -> NDArray[Any]:
    """The place of each value in the dictionary; of missing ones, that after the last."""
    if not array.indices.null_count:
        return array.indices.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    filled = array.indices.cast("int64").fill_null(len(array.dictionary))
    return filled.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _keys_of_text(array: Any) -> NDArray[np.uint64]:
    pyarrow = import_pyarrow()
    types, keys = pyarrow.types, np.empty(len(array), np.uint64)
    if not len(array):
        return keys
    is_short = types.is_string(array.type) or types.is_binary(array.type)
    if not (is_short or types.is_large_string(array.type) or types.is_large_binary(array.type)):
        wide = pyarrow.large_string() if "string" in str(array.type) else pyarrow.large_binary()
        array = array.cast(wide)
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, np.int32 if is_short else np.int64)
    places = places[array.offset : array.offset + len(array) + 1].astype(np.int64, copy=False)
    text_keys(places, np.frombuffer(b"" if data is None else data, np.uint8), keys)
    return keys


def _keys_of_words(words: NDArray[Any], meaning: int) -> NDArray[np.uint64]:
    keys = np.empty(len(words), np.uint64)
    word_keys(words.view(np.uint64), meaning, keys)
    return keys


def _keys_of_numbers(array: Any) -> Keys:
    pyarrow = import_pyarrow()
    types = pyarrow.types
    if types.is_boolean(array.type):
        array = array.cast(pyarrow.int8())
    if types.is_integer(array.type):
        is_large = types.is_uint64(array.type)
        wide = array.cast(pyarrow.uint64() if is_large else pyarrow.int64())
        words = _filled(wide).copy() if is_large else _filled(wide)
        keys = _keys_of_words(words, meanings.INTEGER)
        if is_large and (large := words >= np.uint64(2**63)).any():
            keys[large] = _keys_of_words(words[large], meanings.LARGE_INTEGER)
        return Keys(keys, _missing(array))
    floats = _as_floats(array)
    keys = _keys_of_floats(floats)
    if types.is_decimal(array.type):
        _correct_large_decimals(array, floats, keys)
    missing = np.isnan(floats)
    return Keys(keys, missing if missing.any() else None)


def _keys_of_floats(floats: NDArray[np.float64]) -> NDArray[np.uint64]:
    whole = np.floor(floats) == floats
    small = whole & (floats >= -_INT64) & (floats < _INT64)
    if small.all():
        return _keys_of_words(floats.astype(np.int64), meanings.INTEGER)
    keys = _keys_of_words(floats, meanings.FLOAT)
    keys[small] = _keys_of_words(floats[small].astype(np.int64), meanings.INTEGER)
    large = whole & (floats >= _INT64) & (floats < _UINT64)
    keys[large] = _keys_of_words(floats[large].astype(np.uint64), meanings.LARGE_INTEGER)
    return keys


def _correct_large_decimals(
    array: Any, floats: NDArray[np.float64], keys: NDArray[np.uint64]
) -> None:
    """The keys of decimals that are integers beyond those that float64 has."""
    pyarrow = import_pyarrow()
    places = np.flatnonzero((np.abs(floats) >= _EXACT) & (np.abs(floats) <= _UINT64))
    if not places.size:
        return
    some = array.take(pyarrow.array(places))
    whole = pyarrow.compute.equal(pyarrow.compute.trunc(some), some).to_numpy(zero_copy_only=False)
    for type_, meaning, least in (
        (pyarrow.uint64(), meanings.LARGE_INTEGER, 2**63),
        (pyarrow.int64(), meanings.INTEGER, -(2**63)),
    ):
        integers = some.cast(type_, safe=False).to_numpy()  # those beyond the type become others
        fits = whole & (integers.astype(np.float64) == floats[places]) & (integers >= least)
        keys[places[fits]] = _keys_of_words(integers[fits], meaning)


def _as_floats(array: Any) -> NDArray[np.float64]:
    pyarrow = import_pyarrow()
    if pyarrow.types.is_boolean(array.type):
        array = array.cast(pyarrow.int8())
    if not pyarrow.types.is_float64(array.type):
        array = array.cast(pyarrow.float64(), safe=False)
    return _filled(array, np.nan)


def _microseconds(array: Any, kind: str, safe: bool = True) -> NDArray[np.int64]:
    """Time as int64; ValueError for what is no whole number of microseconds, if it is to be."""
    pyarrow = import_pyarrow()
    wanted = {
        INSTANT: lambda: pyarrow.timestamp("us", getattr(array.type, "tz", None)),
        DURATION: lambda: pyarrow.duration("us"),
        TIME: lambda: pyarrow.time64("us"),
    }[kind]()
    try:
        return _filled(array.cast(wanted, safe=safe).cast(pyarrow.int64()))
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"holds {array.type}, which is read in microseconds: {error}") from error


def _filled(array: Any, value: Any = 0) -> NDArray[Any]:
    """The numbers of an array, and a value where they are missing."""
    filled = array.fill_null(value) if array.null_count else array
    return filled.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
