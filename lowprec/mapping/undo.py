"""The log of a change: the rows as they were before it, to go back to if it is not finished.

The number of rows (8 bytes), the rows (uint32), and of each array these rows, one after the other.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.files.checkpoint import BYTES_AT_ONCE, CheckpointError

Arrays = Sequence[NDArray[Any]]


def write_log(
    file: io.FileIO, start: int, rows: NDArray[np.uint32], arrays: Arrays
) -> tuple[int, int]:
    """Write rows of these arrays from `start` of a file; how many bytes, and their checksum."""
    file.seek(start)
    nbytes = checksum = 0
    for data in _parts(rows, arrays):
        view = memoryview(data).cast("B")
        checksum = zlib.crc32(view, checksum)
        nbytes += len(view)
        write_all(file, view)
    return nbytes, checksum


def _parts(rows: NDArray[np.uint32], arrays: Arrays) -> Iterator[Any]:
    yield len(rows).to_bytes(8, "little")
    yield np.ascontiguousarray(rows, "<u4").view(np.uint8)
    for array in arrays:
        for piece in _pieces(len(rows), array):
            yield as_bytes(array)[rows[piece]]


def _pieces(count: int, array: NDArray[Any]) -> Iterator[slice]:
    """So many rows of an array, some at a time."""
    most = max(1, BYTES_AT_ONCE // array[:1].nbytes)
    for first in range(0, count, most):
        yield slice(first, min(first + most, count))


def as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of each row."""
    return array.reshape(len(array), -1).view(np.uint8)


def write_all(file: io.FileIO, data: memoryview) -> None:
    """Write all of it: a raw file may take less at a time."""
    while data:
        data = data[file.write(data) :]


def undo(file: io.FileIO, start: int, nbytes: int, checksum: int, arrays: Arrays) -> None:
    """Give the rows of a log back what they held; it may be done again after a kill in it.

    CheckpointError, before anything is written, if the log is not what was written.
    """
    _check(file, start, nbytes, checksum, arrays)
    file.seek(start)
    count = int.from_bytes(_read(file, 8), "little")
    rows = np.frombuffer(_read(file, 4 * count), "<u4")
    if count and int(rows.max()) >= len(arrays[0]):
        raise CheckpointError(f"{file.name} is damaged: its log has a row that there is not")
    for array in arrays:
        held = as_bytes(array)
        for piece in _pieces(count, array):
            places = rows[piece]
            data = _read(file, len(places) * held.shape[1])
            held[places] = np.frombuffer(data, np.uint8).reshape(len(places), -1)


def _check(file: io.FileIO, start: int, nbytes: int, checksum: int, arrays: Arrays) -> None:
    file.seek(start)
    found, left = 0, nbytes
    while left:
        data = _read(file, min(left, BYTES_AT_ONCE))
        if left == nbytes:
            count = int.from_bytes(data[:8], "little")
        found, left = zlib.crc32(data, found), left - len(data)
    row_bytes = 4 + sum(array[:1].nbytes for array in arrays)
    if found != checksum or nbytes != 8 + count * row_bytes:
        raise CheckpointError(f"{file.name} is damaged: the checksum of its log does not fit")


def _read(file: io.FileIO, nbytes: int) -> bytes:
    data = b""
    while len(data) < nbytes:
        part = file.read(nbytes - len(data))
        if not part:
            raise CheckpointError(f"{file.name} is damaged: its log was cut")
        data = data + part if data else part
    return data
