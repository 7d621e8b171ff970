"""A folder of shard files: the manifest, written last, names the files that belong together."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowprec._version import __version__
from lowprec.checks import check_flag, check_path
from lowprec.files.checkpoint import Checkpoint, CheckpointError
from lowprec.files.reading import describe, read
from lowprec.files.writing import replacing

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """The files of all shards of an object, in the order of the shards."""

    folder: str
    kind: str
    files: tuple[str, ...]
    state: dict[str, Any]  # all but the arrays, of the whole
    settings: dict[str, Any]  # of what trained it
    verify: bool  # whether checksums are compared

    def expect(self, kind: str) -> None:
        """CheckpointError unless it is of this kind."""
        if self.kind != kind:
            raise CheckpointError(f"{self.folder} holds a {self.kind}, not a {kind}")

    def open(self, shard: int) -> Checkpoint:
        """The file of a shard, its arrays mapped; CheckpointError if it is not there."""
        path = os.path.join(self.folder, self.files[shard])
        if not os.path.exists(path):
            raise CheckpointError(f"{path} is not there, but {MANIFEST} names it")
        found = read(path, mmap=True, verify=self.verify)
        found.expect(self.kind)
        return found


def has_manifest(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder with a manifest."""
    return os.path.isfile(os.path.join(check_path("path", path), MANIFEST))


def write_manifest(
    folder: str | os.PathLike[str],
    kind: str,
    files: Sequence[str],
    state: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> None:
    """Write the manifest of a folder, whole or not at all; its files are there already."""
    entry = {
        "manifest_version": MANIFEST_VERSION,
        "lowprec_version": __version__,
        "kind": kind,
        "files": list(files),
        "state": dict(state),
        "settings": dict(settings),
    }
    entry["checksum"] = _checksum(entry)
    with replacing(Path(check_path("folder", folder)) / MANIFEST) as temporary:
        temporary.write_text(json.dumps(entry, indent=1) + "\n")


def read_manifest(path: str | os.PathLike[str], *, verify: bool = True) -> Manifest:
    """The manifest of a folder; a single file is a folder of one.

    Raises
    ------
    OSError
        If it cannot be read.
    CheckpointError
        If it is none, or damaged.
    """
    name = check_path("path", path)
    check_flag("verify", verify)
    if not os.path.isdir(name):
        kind, state = describe(name)
        folder, file = os.path.split(name)
        if state.pop("shard", [0, 1]) != [0, 1]:
            raise CheckpointError(f"{name} is one shard of several: load their folder")
        return Manifest(folder, kind, (file,), state, {}, verify)
    where = os.path.join(name, MANIFEST)
    text = Path(where).read_bytes()
    try:
        entry = json.loads(text)
        if entry.pop("checksum") != _checksum(entry):
            raise CheckpointError(f"{where} is damaged: its checksum does not fit")
        if entry["manifest_version"] != MANIFEST_VERSION:
            raise CheckpointError(f"{where} is of version {entry['manifest_version']}")
        files = tuple(map(str, entry["files"]))
        if not files or any(file != os.path.basename(file) or not file for file in files):
            raise CheckpointError(f"{where} names files outside its folder, or none")
        return Manifest(
            name, entry["kind"], files, dict(entry["state"]), dict(entry["settings"]), verify
        )
    except CheckpointError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{where} is no manifest: {error!r}") from error


def _checksum(entry: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(entry, sort_keys=True).encode()):08x}"
