"""Reading a file: whatever is wrong with it is a CheckpointError that says so."""

from __future__ import annotations

import json
import os
import stat
import warnings
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec._version import __version__
from lowprec.arithmetic import in_standard_arithmetic
from lowprec.checks import check_flag, check_path
from lowprec.device import get_device
from lowprec.files.checkpoint import (
    BYTES_AT_ONCE,
    DTYPES,
    ENTRY,
    FORMAT_VERSION,
    TABLE_MAGIC,
    Checkpoint,
    CheckpointError,
    checksum,
)
from lowprec.scalar import hashing, xorshift

# What this version draws with first, and then those whose files it reads: see `warn_of_generator`.
_GENERATORS = [[xorshift.NAME, xorshift.VERSION], ["KXS32", 1]]


def read(path: str | os.PathLike[str], *, mmap: bool = False, verify: bool = True) -> Checkpoint:
    """What a file holds.

    Parameters
    ----------
    path : path
    mmap : bool, default False
        Whether arrays are views of the file, read when they are used, instead of copies.  They may
        be written, which the file does not see.
    verify : bool, default True
        Whether to compare the checksums of the arrays, for which they are read as a whole.

    Raises
    ------
    OSError
        If the file cannot be read.
    CheckpointError
        If it is not a complete, valid file of this version.
    """
    name = check_path("path", path)
    check_flag("mmap", mmap)
    check_flag("verify", verify)
    metadata, places = _open(name)
    entry = _entry(name, metadata)
    checksums = entry["checksums"]
    if set(checksums) != set(places):
        raise CheckpointError(f"{name}: its arrays differ from those that were written")
    arrays = {key: _array(name, *place, mmap) for key, place in places.items()}
    for key, array in arrays.items():
        if verify and checksum(array) != checksums[key]:
            raise CheckpointError(f"{name} is corrupted: the checksum of {key!r} is wrong")
    return Checkpoint(name, entry["kind"], entry["state"], arrays, entry["generator"][0])


def describe(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """The kind and the state that a file says it has; its arrays are not read.

    Raises
    ------
    OSError, CheckpointError
        As `read` does.
    """
    name = check_path("path", path)
    entry = _entry(name, _open(name)[0])
    return entry["kind"], entry["state"]


def _open(name: str) -> tuple[dict[str, str], dict[str, tuple[np.dtype, tuple[int, ...], int]]]:
    """The metadata, and the dtype, shape and place of each array, of a file that is well-formed."""
    from safetensors import SafetensorError, safe_open

    mode = os.stat(name).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a pipe would be waited for
        raise CheckpointError(f"{name} is not a regular file")
    with open(name, "rb") as file:  # OSError is better said by Python
        if file.read(8) == TABLE_MAGIC:
            raise CheckpointError(
                f"{name} is a table in a file, which EmbeddingTable(..., path=...) opens"
            )
        file.seek(0)
        try:
            with safe_open(name, framework="np") as checked:
                metadata = checked.metadata() or {}
        except SafetensorError as error:
            raise CheckpointError(f"{name} is not a complete safetensors file: {error}") from error
        # The library has checked all of the header, but does not tell where arrays begin.
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    places = {}
    for key, value in header.items():
        if key == "__metadata__":
            continue
        if value["dtype"] not in DTYPES:
            raise CheckpointError(f"{name}: {key!r} is of dtype {value['dtype']}")
        start = 8 + length + value["data_offsets"][0]
        places[key] = (DTYPES[value["dtype"]], tuple(value["shape"]), start)
    return metadata, places


@in_standard_arithmetic  # text becomes numbers
def _entry(name: str, metadata: dict[str, str]) -> dict[str, Any]:
    """lowprec's entry in the metadata, checked."""
    if ENTRY not in metadata:
        raise CheckpointError(f"{name} is a safetensors file, but not a checkpoint of lowprec")
    checksum, _, text = metadata[ENTRY].partition(" ")
    if checksum != f"{zlib.crc32(text.encode()):08x}":
        raise CheckpointError(f"{name} is corrupted: the checksum of its description is wrong")
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
    known: dict[str, list[Any]] = {
        "generator": _GENERATORS, "hash_version": [hashing.VERSION],
    }  # fmt: skip
    for what, versions in known.items():
        if entry.get(what) not in versions:
            here = versions[0]
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
        for first in range(0, data.size, BYTES_AT_ONCE):
            part = data[first : first + BYTES_AT_ONCE]
            if file.readinto(part.data) != part.size:
                raise CheckpointError(f"{name} was truncated while it was read")
    return array


def warn_of_generator(found: Checkpoint) -> None:
    """Warn that a training with stochastic rounding continues with other random bits."""
    if found.generator != xorshift.NAME:
        warnings.warn(
            f"{found.path} was trained with the random bits of {found.generator}; training "
            f"continues with those of {xorshift.NAME}, which are as unbiased, but the bits of its "
            "results differ from those of an uninterrupted training",
            UserWarning,
            stacklevel=2,
        )
