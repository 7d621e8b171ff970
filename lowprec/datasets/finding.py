"""The files that a path, a folder or a pattern means."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from lowprec.checks import check_path

PathLike: TypeAlias = "str | os.PathLike[str]"


class Found(NamedTuple):
    """A file, and what it is called wherever its folder may lie."""

    path: str
    name: str  # its path below the folder or the fixed part of the pattern; of a file, its name
    size: int  # bytes


def find_files(paths: PathLike | Iterable[PathLike], endings: tuple[str, ...] = ()) -> list[Found]:
    """Files in the order of `paths`; those of a folder or a pattern by their names.

    A folder means the files in it and in its folders whose names end in one of `endings`, or all of
    them; names that begin with ``.`` or ``_`` are left out.  A pattern holds ``*``, ``?`` or ``[``,
    where ``**`` is any number of folders; a file of that very name is meant first.

    Raises
    ------
    TypeError, ValueError
        If something is no path, or there is no file: names it.
    FileNotFoundError
        If a path does not exist.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    elif isinstance(paths, bytes) or not isinstance(paths, Iterable):
        raise TypeError(f"paths must be a path or an iterable of paths, got {paths!r}")
    found = [file for path in paths for file in _find(path, endings)]
    if not found:
        raise ValueError("paths must name at least one file, got none")
    return found


def _find(path: Any, endings: tuple[str, ...]) -> list[Found]:
    name = check_path("a path", path)
    if os.path.isdir(name):
        files = _in_folder(name, endings)
        if not files:
            kind = f" whose name ends in {' or '.join(endings)}" if endings else ""
            raise ValueError(f"{name} is a folder without a file{kind}")
        return files
    if glob.has_magic(name) and not os.path.exists(name):
        base = _fixed_part(name)
        matches = sorted(filter(os.path.isfile, glob.glob(name, recursive=True)))
        if not matches:
            raise FileNotFoundError(f"no file matches {name}")
        return [_found(match, os.path.relpath(match, base)) for match in matches]
    return [_found(name, os.path.basename(name))]


def _found(path: str, name: str) -> Found:
    # FileNotFoundError now, not hours later when the files before it were read
    return Found(path, name.replace(os.sep, "/"), os.stat(path).st_size)


def _in_folder(folder: str, endings: tuple[str, ...]) -> list[Found]:
    found = []
    for home, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [
            each
            for each in folders
            if not each.startswith((".", "_")) and not _leads_back(folder, home, each)
        ]
        for file in files:
            if not file.startswith((".", "_")) and file.lower().endswith(endings or ""):
                path = os.path.join(home, file)
                found.append(_found(path, os.path.relpath(path, folder)))
    return sorted(found, key=lambda file: file.name)


def _leads_back(folder: str, home: str, name: str) -> bool:
    """Whether an entry of `home` is a link to a folder on the way there from `folder`, or above.

    Its files would be read again, and again by the same link in it.
    """
    path = os.path.join(home, name)
    if not os.path.islink(path):
        return False
    target = os.path.realpath(path)
    while True:
        real = os.path.realpath(home)
        if os.path.commonpath([target, real]) == target:
            return True
        if len(home) <= len(folder):
            return False
        home = os.path.dirname(home)


def _fixed_part(pattern: str) -> str:
    """The folder above the first part of a pattern that is one."""
    base = pattern
    while glob.has_magic(base):
        base = os.path.dirname(base)
    return base or os.curdir
