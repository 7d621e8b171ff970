"""Writing a file, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec._version import __version__
from lowprec.arithmetic import in_standard_arithmetic
from lowprec.checks import as_plain, check_path
from lowprec.files import system
from lowprec.files.checkpoint import ENTRY, FORMAT_VERSION, checksum, dtype_in_file
from lowprec.files.pieces import Pieces, save_pieces
from lowprec.scalar import hashing, xorshift


def write(
    path: str | os.PathLike[str],
    kind: str,
    state: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]] | Mapping[str, Pieces],
) -> None:
    """Write a file, whole or not at all: what was there before stays until all is on disk.

    A file that was there keeps its permissions, and a new one has those that the umask leaves, as
    of `open`, where the system has permissions.  A symbolic link stays one, to the new file.

    Raises
    ------
    OSError
        If it cannot be written; the file that was there is as it was.
    """
    with replacing(path) as temporary:
        _save(arrays, os.fspath(temporary), lambda checksums: _metadata(kind, state, checksums))


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An empty file to write, which then takes the place of that at `path`; or nothing changes."""
    target = Path(check_path("path", path))
    if not target.name:
        raise ValueError(f"path must name a file, got {path!r}")
    target = Path(os.path.realpath(target))
    # not named after the target, whose name may be as long as names can be
    temporary = target.with_name(f".lowprec.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        mode = system.permissions(target if target.exists() else temporary)
        yield temporary
        system.finish(temporary, mode)  # the library makes files that only their owner can read
        system.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    system.flush_folder(target.parent)


def as_json(value: Any) -> Any:
    """A number of NumPy, which users may give for any parameter, as JSON has it."""
    plain = as_plain(value)
    if plain is value:
        raise TypeError(f"{value!r} cannot be written to a file")
    return plain


@in_standard_arithmetic  # numbers become text
def _metadata(kind: str, state: Mapping[str, Any], checksums: dict[str, int]) -> dict[str, str]:
    entry = json.dumps({
        "format_version": FORMAT_VERSION,
        "lowprec_version": __version__,
        "generator": [xorshift.NAME, xorshift.VERSION],
        "hash_version": hashing.VERSION,
        "kind": kind,
        "state": state,
        "checksums": checksums,
    }, default=as_json)  # fmt: skip
    # a single entry: the library writes several entries in random order
    return {ENTRY: f"{zlib.crc32(entry.encode()):08x} {entry}"}


def _save(arrays: Any, path: str, metadata: Callable[[dict[str, int]], dict[str, str]]) -> None:
    if any(isinstance(array, Pieces) for array in arrays.values()):
        save_pieces(arrays, path, metadata)
        return
    # here, to keep the package quick to import
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    contiguous = {
        name: np.ascontiguousarray(array).view(dtype_in_file(array.dtype))
        for name, array in arrays.items()
    }
    checksums = {name: checksum(array) for name, array in contiguous.items()}
    try:
        save_file(contiguous, path, metadata=metadata(checksums))
    except SafetensorError as error:  # what the system said is only in its words
        raise OSError(f"{path} cannot be written: {error}") from error
