"""Where the parts of a table's file lie: header, two descriptions, bits of rows, arrays, log.

docs/tables-in-files.md has the layout for readers in other languages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PAGE = 4096
_ALIGNMENT = 1 << 16  # pages are at most as large on any system


class Region(NamedTuple):
    """A part of a file that is an array."""

    start: int
    shape: tuple[int, ...]
    dtype: np.dtype


class Layout(NamedTuple):
    """Where the parts of one file are."""

    touched: Region
    arrays: tuple[Region, ...]
    end: int  # where the log begins


def lay_out(
    description_bytes: int, rows: int, arrays: Sequence[tuple[tuple[int, ...], np.dtype]]
) -> Layout:
    """The layout for descriptions of this size in bytes, and arrays of these shapes and dtypes."""
    regions, start = [], _aligned(PAGE + 2 * description_bytes)
    for shape, dtype in [((-(-rows // 8),), np.dtype(np.uint8)), *arrays]:
        region = Region(start, shape, dtype)
        regions.append(region)
        start = _aligned(start + int(np.prod(shape, dtype=object)) * dtype.itemsize)
    return Layout(regions[0], tuple(regions[1:]), start)


def _aligned(place: int) -> int:
    return -(-place // _ALIGNMENT) * _ALIGNMENT


def pages_of(region: Region, rows: NDArray[np.integer]) -> Iterator[tuple[int, int]]:
    """Start and bytes of the runs of pages that hold these rows, which ascend."""
    row_bytes = int(np.prod(region.shape[1:], dtype=np.int64)) * region.dtype.itemsize
    begin = region.start + rows.astype(np.int64) * row_bytes
    first, last = begin // PAGE, (begin + row_bytes - 1) // PAGE
    apart = first[1:] > last[:-1] + 1
    firsts = first[np.concatenate([[True], apart])[: first.size]]
    lasts = last[np.concatenate([apart, [True]])[: last.size]]
    yield from zip((firsts * PAGE).tolist(), ((lasts + 1 - firsts) * PAGE).tolist(), strict=True)
