"""Folders beside a file, with the shards of the table that the file is about."""

from __future__ import annotations

import os
import shutil
from glob import escape
from pathlib import Path

from lowprec.files.checkpoint import Checkpoint, CheckpointError


def shards_beside(path: str | os.PathLike[str], step: int) -> Path:
    """The folder for the shards of a table at a step."""
    file = Path(os.path.realpath(path))
    return file.with_name(f"{file.name}.shards-{step:012d}")


def shards_of(found: Checkpoint) -> Path | None:
    """The folder that a file names; None if the table is in the file.  CheckpointError if wrong."""
    with found.reading() as state:
        name = state.get("shards")
        if name is None:
            return None
        if not isinstance(name, str) or not name or os.path.basename(name) != name:
            raise CheckpointError(f"{found.path} names shards outside its folder")
    return Path(os.path.realpath(found.path)).with_name(name)


def remove_shards(path: str | os.PathLike[str], keep: Path | None = None) -> None:
    """Remove the folders beside a file that was removed or replaced, but for one."""
    file = Path(os.path.realpath(path))
    for folder in file.parent.glob(f"{escape(file.name)}.shards-*"):
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
