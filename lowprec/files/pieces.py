"""Arrays that are larger than memory, written to a safetensors file piece by piece.

The library's own writer takes whole arrays.  The header is written last, into room that is kept for
it, as it has the checksums.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.files.checkpoint import DTYPES, dtype_in_file

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_LARGEST = 2**32 - 1  # checksum: with as many digits as there can be


class Pieces(NamedTuple):
    """An array of which the rows come some at a time."""

    shape: tuple[int, ...]
    dtype: np.dtype
    parts: Callable[[], Iterator[NDArray[Any]]]

    @classmethod
    def of(cls, array: NDArray[Any] | Pieces) -> Pieces:
        """An array in one piece; pieces as they are."""
        return (
            array
            if isinstance(array, Pieces)
            else cls(array.shape, array.dtype, lambda: iter([array]))
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all of it."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def save_pieces(
    given: Mapping[str, NDArray[Any] | Pieces], path: str,
    metadata: Callable[[dict[str, int]], dict[str, str]],
) -> None:  # fmt: skip
    """Write arrays to a file; `metadata` is made from their checksums.

    OSError if it cannot be written.
    """
    arrays = {name: Pieces.of(array) for name, array in given.items()}
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))  # aligned
    room = -(-len(_header(arrays, names, metadata(dict.fromkeys(names, _LARGEST)))) // 8) * 8
    checksums = dict.fromkeys(arrays, 0)
    with open(path, "wb") as file:
        file.seek(8 + room)
        for name in names:
            for part in arrays[name].parts():
                data = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
                checksums[name] = zlib.crc32(data, checksums[name])
                file.write(data)
        file.seek(0)
        file.write(room.to_bytes(8, "little"))
        file.write(_header(arrays, names, metadata(checksums)).ljust(room))


def _header(arrays: Mapping[str, Pieces], names: list[str], metadata: dict[str, str]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": metadata}
    start = 0
    for name in names:
        array = arrays[name]
        end = start + array.nbytes
        entries[name] = {
            "dtype": _NAMES[dtype_in_file(array.dtype)], "shape": list(array.shape),
            "data_offsets": [start, end],
        }  # fmt: skip
        start = end
    return json.dumps(entries, separators=(",", ":")).encode()
