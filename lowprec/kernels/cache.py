"""Compiled kernels on disk: what was compiled once is loaded by later processes.

Numba's own cache looks at the file of a kernel alone, so it misses a change in a function that the
kernel calls; it writes into the package, and cannot be imported where nothing can be written.  Here
each compiled version of a kernel is a file whose name holds a hash of all that it depends on, in a
folder of the user's cache that is named after the sources of lowprec.  Nothing touches the disk
before the first kernel runs, and no failure is more than a kernel that is compiled again.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import re
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba.core import config, sigutils
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from lowprec._version import __version__
from lowprec.kernels.fingerprint import UnknownError, fingerprint
from lowprec.kernels.names import number_functions

_MOST_FOLDERS = 8
_MOST_DAYS = 30
_FOLDER = re.compile(r"[\w.+!-]+-[0-9a-f]{16}")
_FILE = re.compile(r"[\w.]+-[0-9a-f]{32}\.kernel(\.[0-9a-f]{32}\.tmp)?")
# The settings of Numba that change what is compiled, beside those of the processor.
_SETTINGS = (
    "BOUNDSCHECK",
    "DEBUG_ARRAY_OPT_RUNTIME",
    "DEBUGINFO_DEFAULT",
    "DEBUG_NRT",
    "EXTEND_VARIABLE_LIFETIMES",
    "LLVM_REFPRUNE_FLAGS",
    "LLVM_REFPRUNE_PASS",
    "LOOP_VECTORIZE",
    "OPT",
    "PARFOR_MAX_TUPLE_SIZE",
    "SLP_VECTORIZE",
    "USING_SVML",
)
_VERSIONS = (sys.version, sys.flags.optimize, numba.__version__, np.__version__)
_OURS = {"lowprec", "numba"}
_imported = time.time()
_lock = threading.Lock()
_gave_up = _pruned = False


number_functions()


def cached(dispatcher: Any) -> Any:
    """Keep what `dispatcher`, a function compiled by `njit` without ``cache=True``, on disk."""
    if not isinstance(dispatcher, FunctionType):  # what it is where NUMBA_DISABLE_JIT is set
        options = (dispatcher.targetoptions, dispatcher.locals)
        dispatcher._cache = KernelCache(dispatcher.py_func, options)
    return dispatcher


def cache_folder() -> Path | None:
    """The folder of compiled kernels, which may not exist yet; None if there can be none."""
    try:
        return _folder()
    except (OSError, UnknownError):
        return None


class KernelCache(_Cache):
    """The files of one kernel, as a `Dispatcher` of Numba asks for them."""

    def __init__(self, py_func: Any, options: tuple = ()) -> None:
        self._kernel = py_func
        self._options = options
        self._prefix = re.sub(
            r"[^A-Za-z0-9_.]", "_", f"{py_func.__module__}.{py_func.__qualname__}"
        )
        self._enabled = True

    @property
    def cache_path(self) -> str | None:
        folder = cache_folder()
        return None if folder is None else str(folder)

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        """Remove the files of this kernel."""
        with suppress(OSError, UnknownError):
            for path in _kernel_files(_folder()):
                if path.name.rpartition("-")[0] == self._prefix:
                    path.unlink(missing_ok=True)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel compiled for `sig`, or None if it is not on disk or its file is corrupted."""
        target_context.refresh()
        if not self._enabled:
            return None
        try:
            path = _folder() / self._name(sig, target_context)
            data = path.read_bytes()
        except (OSError, UnknownError):
            return None
        checksum, payload = data[:32], data[32:]
        if checksum != _checksum(path.name, payload):
            return None
        try:
            kernel = CompileResult._rebuild(target_context, *pickle.loads(payload))
        except Exception:  # as ImportError: whatever is wrong with it, it can be compiled
            return None
        _note_use(path.parent)
        _note_use(path)
        return kernel

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Write a compiled kernel, unless something in it belongs to this process alone."""
        own = cres.library.has_dynamic_globals or not all(x.can_cache for x in cres.lifted)
        if own or _gave_up or not self._enabled:
            return
        try:
            name = self._name(sig, cres.target_context)
            payload = dumps(cres._reduce())
        except Exception:  # as PicklingError: it stays in memory
            return
        try:
            path = _folder() / name
            _write(path, payload)
            _prune_once(path.parent.parent)
        except UnknownError:
            return
        except OSError as error:
            _give_up(error)

    def _name(self, sig: Any, target_context: Any) -> str:
        module, name = self._kernel.__module__, self._kernel.__qualname__
        if module in ("__main__", "__mp_main__") or "<" in name:
            raise UnknownError(f"{module}.{name} cannot be imported")
        args, return_type = sigutils.normalize_signature(sig)
        digits = fingerprint(
            (module, name, self._kernel, *self._options),
            (tuple(args), return_type),
            target_context.codegen().magic_tuple(),
            (*_VERSIONS, sys.modules["llvmlite"].__version__),  # which Numba has imported
            [getattr(config, setting, None) for setting in _SETTINGS],
        )
        return f"{self._prefix}-{digits[:32]}.kernel"


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
