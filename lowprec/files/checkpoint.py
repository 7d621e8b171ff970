"""Files of tables and models: safetensors, written atomically and checked when they are read.

A file has the arrays as other tools read them (float16 is ``F16``), and in its metadata, under
``"lowprec"``, a checksum and JSON with all else: what the object is made of, the versions that it
depends on, and a checksum of each array.  Equal objects give equal files, byte for byte.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lowprec._version import __version__
from lowprec.checks import check_flag, check_path
from lowprec.device import get_device
from lowprec.scalar import hashing, xorshift

FORMAT_VERSION = 1
_ENTRY = "lowprec"
_DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "U8": np.dtype(np.uint8),
    "U16": np.dtype(np.uint16),
}
_BYTES_AT_ONCE = 1 << 26


class CheckpointError(ValueError):
    """A file is not a checkpoint of lowprec, is damaged, or is of another version.

    A ValueError whose message names the file and what is wrong; raised by `load` and the other
    functions that read files.

    Examples
    --------
    >>> import tempfile, lowprec as lp
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"not a table")
    ...     file.flush()
    ...     try:
    ...         lp.load(file.name)
    ...     except lp.CheckpointError as error:
    ...         print("is not a whole safetensors file" in str(error))
    True
    """


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds."""

    path: str
    kind: str
    state: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    def expect(self, kind: str) -> None:
        """CheckpointError unless it is of this kind."""
        if self.kind != kind:
            raise CheckpointError(f"{self.path} holds a {self.kind}, not a {kind}")

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[Any]:
        """An array, which must be as the state says; CheckpointError names it otherwise."""
        if name not in self.arrays:
            raise CheckpointError(f"{self.path} lacks the array {name!r}")
        array = self.arrays[name]
        if array.dtype == _in_file(dtype):
            array = array.view(dtype)
        if array.shape != shape or array.dtype != dtype:
            raise CheckpointError(
                f"{self.path}: {name!r} is {array.dtype} {array.shape}, not {dtype} {shape}"
            )
        return array

    def expect_arrays(self, names: Iterable[str]) -> None:
        """CheckpointError unless these are all the arrays that there are."""
        if others := sorted(set(self.arrays) - set(names)):
            raise CheckpointError(f"{self.path} has an array {others[0]!r} of no meaning")

    @contextlib.contextmanager
    def reading(self) -> Iterator[dict[str, Any]]:
        """The state; what it lacks, or says that cannot be, is a CheckpointError."""
        try:
            yield self.state
        except CheckpointError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"lacks {error}" if isinstance(error, KeyError) else error
            raise CheckpointError(f"{self.path}: the state of its {self.kind} {reason}") from error


def _in_file(dtype: np.dtype) -> np.dtype:
    """The dtype of an array in a file: unsigned integers for what safetensors has no name for."""
    return dtype if dtype in _DTYPES.values() else np.dtype(f"u{dtype.itemsize}")


def write(
    path: str | os.PathLike[str],
    kind: str,
    state: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Write a file, whole or not at all: what was there before stays until all is on disk.

    Raises
    ------
    OSError
        If it cannot be written; the file that was there is as it was.
    """
    from safetensors.numpy import save_file  # here, to keep the package quick to import

    target = Path(check_path("path", path))
    if not target.name:
        raise ValueError(f"path must name a file, got {path!r}")
    contiguous = {
        name: np.ascontiguousarray(array).view(_in_file(array.dtype))
        for name, array in arrays.items()
    }
    entry = json.dumps({
        "format_version": FORMAT_VERSION,
        "lowprec_version": __version__,
        "generator": [xorshift.NAME, xorshift.VERSION],
        "hash_version": hashing.VERSION,
        "kind": kind,
        "state": state,
        "checksums": {name: _checksum(array) for name, array in contiguous.items()},
    })  # fmt: skip
    # one entry alone: the library writes several in an order of its own, new each time
    metadata = {_ENTRY: f"{zlib.crc32(entry.encode()):08x} {entry}"}
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        _save(save_file, contiguous, os.fspath(temporary), metadata)
        _flush(temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _flush(target.parent)


def _save(save_file: Any, arrays: dict[str, Any], path: str, metadata: dict[str, str]) -> None:
    from safetensors import SafetensorError

    try:
        save_file(arrays, path, metadata=metadata)
    except SafetensorError as error:  # what the system said is only in its words
        raise OSError(f"{path} cannot be written: {error}") from error


def _flush(path: str | Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checksum(array: NDArray[Any]) -> int:
    """CRC-32 of the bytes."""
    data = array.reshape(-1).view(np.uint8)
    crc = 0
    for start in range(0, data.size, _BYTES_AT_ONCE):
        crc = zlib.crc32(data[start : start + _BYTES_AT_ONCE].data, crc)
    return crc


def read(path: str | os.PathLike[str], *, mmap: bool = False, verify: bool = True) -> Checkpoint:
    """What a file holds.

    Parameters
    ----------
    path : path
    mmap : bool, default False
        Whether arrays are views of the file, read when they are looked at, instead of copies.
        They may be written, which the file does not see.
    verify : bool, default True
        Whether to compare the checksums of the arrays, for which they are read as a whole.

    Raises
    ------
    OSError
        If the file cannot be read.
    CheckpointError
        If it is not a whole, undamaged file of this version.
    """
    name = check_path("path", path)
    check_flag("mmap", mmap)
    check_flag("verify", verify)
    metadata, places = _open(name)
    entry = _entry(name, metadata)
    checksums = entry["checksums"]
    if set(checksums) != set(places):
        raise CheckpointError(f"{name}: its arrays are not those it was written with")
    arrays = {key: _array(name, *place, mmap) for key, place in places.items()}
    for key, array in arrays.items():
        if verify and _checksum(array) != checksums[key]:
            raise CheckpointError(f"{name} is damaged: the checksum of {key!r} does not fit")
    return Checkpoint(name, entry["kind"], entry["state"], arrays)


def _open(name: str) -> tuple[dict[str, str], dict[str, tuple[np.dtype, tuple[int, ...], int]]]:
    """The metadata, and the dtype, shape and place of each array, of a file that is well-formed."""
    from safetensors import SafetensorError, safe_open

    mode = os.stat(name).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a pipe would be waited for
        raise CheckpointError(f"{name} is not a regular file")
    with open(name, "rb") as file:  # OSError is better said by Python
        try:
            with safe_open(name, framework="np") as checked:
                metadata = checked.metadata() or {}
        except SafetensorError as error:
            raise CheckpointError(f"{name} is not a whole safetensors file: {error}") from error
        # The library has checked all of the header, but does not tell where arrays begin.
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    places = {}
    for key, value in header.items():
        if key == "__metadata__":
            continue
        if value["dtype"] not in _DTYPES:
            raise CheckpointError(f"{name}: {key!r} is of dtype {value['dtype']}")
        start = 8 + length + value["data_offsets"][0]
        places[key] = (_DTYPES[value["dtype"]], tuple(value["shape"]), start)
    return metadata, places


def _entry(name: str, metadata: dict[str, str]) -> dict[str, Any]:
    """lowprec's entry in the metadata, checked."""
    if _ENTRY not in metadata:
        raise CheckpointError(f"{name} is a safetensors file, but not a checkpoint of lowprec")
    checksum, _, text = metadata[_ENTRY].partition(" ")
    if checksum != f"{zlib.crc32(text.encode()):08x}":
        raise CheckpointError(f"{name} is damaged: the checksum of its description does not fit")
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{name}: its description is no JSON: {error}") from error
    if not isinstance(entry, dict):
        raise CheckpointError(f"{name}: its description is {type(entry).__name__}, not an object")
    if entry.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{name} has format version {entry.get('format_version')}, by lowprec "
            f"{entry.get('lowprec_version')}; this is lowprec {__version__}, which reads version "
            f"{FORMAT_VERSION}"
        )
    for what, here in (
        ("generator", [xorshift.NAME, xorshift.VERSION]),
        ("hash_version", hashing.VERSION),
    ):
        if entry.get(what) != here:
            raise CheckpointError(f"{name} was made with {what} {entry.get(what)}; this has {here}")
    for key, kind in (("kind", str), ("state", dict), ("checksums", dict)):
        if not isinstance(entry.get(key), kind):
            raise CheckpointError(f"{name}: the {key!r} of its description is no {kind.__name__}")
    return entry


def _array(
    name: str, dtype: np.dtype, shape: tuple[int, ...], start: int, mmap: bool
) -> NDArray[Any]:
    array: NDArray[Any]
    if mmap and 0 not in shape and start % dtype.itemsize == 0:  # kernels take aligned arrays
        return np.memmap(name, dtype, "c", start, shape).view(np.ndarray)
    array = get_device("cpu").empty(shape, dtype)
    data = array.reshape(-1).view(np.uint8)
    with open(name, "rb") as file:
        file.seek(start)
        for first in range(0, data.size, _BYTES_AT_ONCE):
            part = data[first : first + _BYTES_AT_ONCE]
            if file.readinto(part.data) != part.size:
                raise CheckpointError(f"{name} was cut while it was read")
    return array
