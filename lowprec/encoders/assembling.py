"""Samples of fitted columns: stretches of rows are encoded side by side, column by column.

Every column has one feature of ids, in the order of the columns, and a column of numbers also one
dense feature.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.samples import Samples
from lowprec.encoders.columns import Column, naming
from lowprec.encoders.frames import import_pyarrow
from lowprec.encoders.kinds import MULTI, NUMERICAL
from lowprec.encoders.lists import lists_of, places_of
from lowprec.encoders.numbers import Numbers
from lowprec.encoders.parallel import in_parallel
from lowprec.encoders.values import (
    floats_of,
    is_short_dictionary,
    keys_of,
    places_in_dictionary,
)
from lowprec.kernels.cpu.encoding import interleave

ROWS_AT_ONCE = 1 << 15  # so that what is made of them stays in the cache


class _Target(NamedTuple):
    """What is filled."""

    dense: NDArray[np.float32]  # (n, num_dense)
    ids: NDArray[np.int32]  # (n, F), or (total,) where there are bags
    offsets: NDArray[np.int64] | None  # (n * F + 1,)


def encode(columns: Sequence[Column], found: Mapping[str, Any], num_rows: int) -> Samples:
    """The samples of fitting columns."""
    target = _target(columns, found, num_rows)
    work = functools.partial(_encode_rows, columns, found, target, num_rows)
    in_parallel(work, range(0, num_rows, ROWS_AT_ONCE))
    return Samples(
        target.dense if target.dense.shape[1] else None,
        target.ids,
        target.offsets,
        num_embeddings=[column.encoding.num_embeddings for column in columns],
    )


def _target(columns: Sequence[Column], found: Mapping[str, Any], num_rows: int) -> _Target:
    num_dense = sum(column.role == NUMERICAL for column in columns)
    dense = np.empty((num_rows, num_dense), np.float32)
    if all(column.role != MULTI for column in columns):
        return _Target(dense, np.empty((num_rows, len(columns)), np.int32), None)
    lengths = np.ones((num_rows, len(columns)), np.int64)
    for feature, column in enumerate(columns):
        if column.role == MULTI:
            parts = [_lengths(chunk) for chunk in found[column.name].chunks]
            lengths[:, feature] = np.concatenate([np.empty(0, np.int64), *parts])
    offsets = np.zeros(lengths.size + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return _Target(dense, np.empty(int(offsets[-1]), np.int32), offsets)


def _encode_rows(
    columns: Sequence[Column],
    found: Mapping[str, Any],
    target: _Target,
    num_rows: int,
    start: int,
) -> None:
    """Fill the rows from `start` on: column by column, and then row by row."""
    stop = min(start + ROWS_AT_ONCE, num_rows)
    dense = np.empty((target.dense.shape[1], stop - start), np.float32)
    ids = np.empty((len(columns), stop - start), np.int32)
    number = 0  # of dense features
    for feature, column in enumerate(columns):
        first = start
        for chunk in found[column.name].slice(start, stop - start).chunks:
            last = first + len(chunk)
            place = slice(first - start, last - start)
            with naming(column.name, first):
                if column.role == NUMERICAL:
                    assert isinstance(column.encoding, Numbers)
                    ids[feature, place], dense[number, place] = column.encoding.encode(
                        floats_of(chunk)
                    )
                elif column.role == MULTI:
                    _put_bags(target, len(columns), feature, first, column, chunk)
                else:
                    ids[feature, place] = _ids(column, chunk)
            first = last
        number += column.role == NUMERICAL
    if number:
        interleave(dense.view(np.int32), target.dense[start:stop].view(np.int32))
    if target.offsets is None:
        interleave(ids, target.ids[start:stop])
        return
    for feature, column in enumerate(columns):
        if column.role != MULTI:
            target.ids[_bags(target.offsets, len(columns), feature, start, stop)] = ids[feature]


def _ids(column: Column, array: Any) -> NDArray[np.int32]:
    """The rows of categories; 0 of missing ones."""
    assert not isinstance(column.encoding, Numbers)
    if is_short_dictionary(array):
        # row 0 after those of the entries is that of missing values
        rows = np.append(_ids(column, array.dictionary), np.int32(0))
        return rows[places_in_dictionary(array)]  # type: ignore[no-any-return]
    keys, missing = keys_of(array)
    rows = column.encoding.rows(keys)
    if missing is not None:
        rows[missing] = 0
    return rows


def _put_bags(
    target: _Target, num_features: int, feature: int, first: int, column: Column, array: Any
) -> None:
    """A bag of ids for each of some rows."""
    assert target.offsets is not None
    if import_pyarrow().types.is_null(array.type):
        return
    entries, lengths = lists_of(array)
    starts = _bags(target.offsets, num_features, feature, first, first + len(array))
    target.ids[places_of(starts, lengths)] = _ids(column, entries)


def _bags(
    offsets: NDArray[np.int64], num_features: int, feature: int, first: int, last: int
) -> NDArray[np.int64]:
    """Where the bags of a feature of some rows begin."""
    return offsets[first * num_features + feature : last * num_features : num_features]


def _lengths(array: Any) -> NDArray[np.int64]:
    if import_pyarrow().types.is_null(array.type):
        return np.zeros(len(array), np.int64)
    return lists_of(array).lengths
