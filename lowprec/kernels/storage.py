"""Files of compiled kernels: the folder that they are in, and how one is read, written and removed.

A file's name holds a hash of all that its kernel depends on; the folder is one of the user's cache
that is named after the sources of lowprec.  Nothing touches the disk before the first kernel runs,
and no failure is more than a kernel that is compiled again.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from numba.core import config

from lowprec._version import __version__
from lowprec.kernels.fingerprint import UnknownError

_MOST_FOLDERS = 8
_MOST_DAYS = 30
_FOLDER = re.compile(r"[\w.+!-]+-[0-9a-f]{16}")
_FILE = re.compile(r"[\w.]+-[0-9a-f]{32}\.kernel(\.[0-9a-f]{32}\.tmp)?")
_OURS = {"lowprec", "numba"}
_imported = time.time()
_lock = threading.Lock()
_gave_up = _pruned = False


def cache_folder() -> Path | None:
    """The folder of compiled kernels, which may not exist yet; None if there can be none."""
    try:
        return _folder()
    except (OSError, UnknownError):
        return None


def read(name: str) -> bytes | None:
    """What was written to the file of a kernel; None if it is not there, or damaged."""
    try:
        path = _folder() / name
        data = path.read_bytes()
    except (OSError, UnknownError):
        return None
    checksum, payload = data[:32], data[32:]
    return payload if checksum == _checksum(name, payload) else None


def note_use(name: str) -> None:
    """Note that a kernel was of use: those that are not are removed after some time."""
    _note_use(_folder())
    _note_use(_folder() / name)


def writes() -> bool:
    """Whether kernels are kept: not after a failure."""
    return not _gave_up


def write(name: str, payload: bytes) -> None:
    """Keep a kernel for other processes."""
    try:
        path = _folder() / name
        _write(path, payload)
        _prune_once(path.parent.parent)
    except UnknownError:
        return
    except OSError as error:
        _give_up(error)


def remove(prefix: str) -> None:
    """Remove the files of all versions of a kernel."""
    with suppress(OSError, UnknownError):
        for path in _kernel_files(_folder()):
            if path.name.rpartition("-")[0] == prefix:
                path.unlink(missing_ok=True)


@functools.cache
def _folder() -> Path:
    """The folder of this version and these sources, from the environment of the first kernel."""
    return _parent() / f"{__version__}-{source_stamp(Path(__file__).parents[1])}"


def _parent() -> Path:
    """The folder that has one folder for each version and state of the sources."""
    if chosen := os.environ.get("LOWPREC_CACHE_DIR"):
        return Path(chosen).absolute()
    if numbas := os.environ.get("NUMBA_CACHE_DIR") or config.CACHE_DIR:
        return Path(numbas).absolute() / "lowprec"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return _existing(os.environ["LOCALAPPDATA"]) / "lowprec"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if sys.platform != "darwin" and os.path.isabs(xdg):
        return Path(xdg) / "lowprec"
    home = _existing(os.path.expanduser("~"))
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "lowprec"


def _existing(home: str) -> Path:
    if not os.path.isabs(home) or not os.path.isdir(home):
        raise FileNotFoundError(f"there is no home folder {home!r}")
    return Path(home)


def source_stamp(package: Path) -> str:
    """A hash of the names and contents of a package's sources.

    Raises
    ------
    UnknownError
        If the sources are no files, or changed after they were imported: what runs is then
        something else.
    """
    digest = hashlib.sha256()
    sources = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    if not sources:
        raise UnknownError("lowprec has no sources that are files")
    for name, path in sorted(sources.items()):
        if _imported < path.stat().st_mtime <= time.time():
            raise UnknownError("the sources of lowprec changed after they were imported")
        source = path.read_bytes()
        digest.update(f"{name} {len(source)}\n".encode() + source)
    return digest.hexdigest()[:16]


def _checksum(name: str, payload: bytes) -> bytes:
    return hashlib.sha256(name.encode() + payload).digest()


def _write(path: Path, payload: bytes) -> None:
    """Replace a file as a whole: readers see the old one or the new one."""
    for attempt in range(3):  # other processes may remove the folder, or on Windows read the file
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(_checksum(path.name, payload) + payload)
            os.replace(temporary, path)
            return
        except OSError:
            if attempt == 2:
                raise
        finally:
            with suppress(OSError):
                temporary.unlink()


def _give_up(error: OSError) -> None:
    """Warn once, and write nothing from here on."""
    global _gave_up
    with _lock:
        first, _gave_up = not _gave_up, True
    if first:
        try:
            folder = str(_parent())
        except OSError:
            folder = "the user's cache folder"
        warnings.warn(
            f"lowprec cannot keep compiled kernels in {folder} ({error}), so every process "
            "compiles them again; set LOWPREC_CACHE_DIR to a writable folder",
            RuntimeWarning,
            stacklevel=_frames_to_the_user(),
        )


def _frames_to_the_user() -> int:
    """The `stacklevel` of the first frame, from the caller's on, outside lowprec and Numba."""
    level, frame = 0, sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__")).split(".")[0] in _OURS:
        level, frame = level + 1, frame.f_back
    return level + 1


@functools.cache
def _note_use(path: Path) -> None:
    """Set the time of a file or folder, once in a process: old ones are removed."""
    with suppress(OSError):
        os.utime(path)


def _kernel_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if _FILE.fullmatch(path.name))


def _prune_once(parent: Path) -> None:
    """Remove kernels that no process has used for long, when this one has written its first.

    Others may do the same, or use what is removed: they compile it.
    """
    global _pruned
    with _lock:
        first, _pruned = not _pruned, True
    if not first:
        return
    folders = []
    with suppress(OSError):
        for path in parent.iterdir():
            if _FOLDER.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                with suppress(OSError):
                    folders.append((path.stat().st_mtime, path))
    oldest = time.time() - _MOST_DAYS * 24 * 3600
    for rank, (_, folder) in enumerate(sorted(folders, reverse=True)):
        with suppress(OSError):
            for path in _kernel_files(folder):
                with suppress(OSError):
                    if rank >= _MOST_FOLDERS or path.stat().st_mtime < oldest:
                        path.unlink()
            folder.rmdir()  # if it is empty
