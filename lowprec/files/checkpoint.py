"""What a file of lowprec holds: arrays, and in its metadata what they are.

A safetensors file has the arrays as other tools read them (float16 is ``F16``), and in its
metadata, under ``"lowprec"``, a checksum and JSON with all else: what the object is made of, the
versions that it depends on, and a checksum of each array.  Equal objects give equal files, byte for
byte.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 1
ENTRY = "lowprec"
TABLE_MAGIC = b"lowprecT"  # a table in a file begins so: see `lowprec.mapping`
DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "U32": np.dtype(np.uint32),  # counts
    "U64": np.dtype(np.uint64),  # keys
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "U8": np.dtype(np.uint8),
    "U16": np.dtype(np.uint16),
}
BYTES_AT_ONCE = 1 << 26


class CheckpointError(ValueError):
    """A file is not a checkpoint of lowprec, is corrupted, or has an unknown version.

    A ValueError whose message names the file and what is wrong; raised by `load` and the other
    functions that read files.

    Examples
    --------
    >>> import tempfile, lowprec as lp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open(f"{folder}/t.safetensors", "wb") as file:
    ...         _ = file.write(b"not a table")
    ...     try:
    ...         lp.load(file.name)
    ...     except lp.CheckpointError as error:
    ...         print("is not a complete safetensors file" in str(error))
    True
    """


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds."""

    path: str
    kind: str
    state: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    generator: str  # of the random bits of the training so far

    def expect(self, kind: str) -> None:
        """CheckpointError unless it is of this kind."""
        if self.kind != kind:
            raise CheckpointError(f"{self.path} holds a {self.kind}, not a {kind}")

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[Any]:
        """An array, which must be as the state says; CheckpointError names it otherwise."""
        if name not in self.arrays:
            raise CheckpointError(f"{self.path} lacks the array {name!r}")
        array = self.arrays[name]
        if array.dtype == dtype_in_file(dtype):
            array = array.view(dtype)
        if array.shape != shape or array.dtype != dtype:
            raise CheckpointError(
                f"{self.path}: {name!r} is {array.dtype} {array.shape}, not {dtype} {shape}"
            )
        return array

    def expect_arrays(self, names: Iterable[str]) -> None:
        """CheckpointError unless these are all the arrays that there are."""
        if others := sorted(set(self.arrays) - set(names)):
            raise CheckpointError(f"{self.path} has the unexpected array {others[0]!r}")

    @contextlib.contextmanager
    def reading(self) -> Iterator[dict[str, Any]]:
        """The state; CheckpointError if an entry is missing or has an impossible value."""
        try:
            yield self.state
        except CheckpointError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"lacks {error}" if isinstance(error, KeyError) else error
            raise CheckpointError(f"{self.path}: the state of its {self.kind} {reason}") from error


def dtype_in_file(dtype: np.dtype) -> np.dtype:
    """The dtype of an array in a file: unsigned integers for what safetensors has no name for."""
    return dtype if dtype in DTYPES.values() else np.dtype(f"u{dtype.itemsize}")


def checksum(array: NDArray[Any]) -> int:
    """CRC-32 of the bytes."""
    data = array.reshape(-1).view(np.uint8)
    crc = 0
    for start in range(0, data.size, BYTES_AT_ONCE):
        crc = zlib.crc32(data[start : start + BYTES_AT_ONCE].data, crc)
    return crc
