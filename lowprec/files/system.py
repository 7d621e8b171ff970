"""What the systems do differently: waiting for the disk, permissions, replacing a file.

Windows flushes handles that can be written alone, opens no folders, knows no permissions but that
to write, and replaces no file that is open or mapped.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

WINDOWS = os.name == "nt"
_PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0)  # seconds
_CANNOT_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def finish(path: Path, mode: int | None) -> None:
    """Give a file its permissions, unless None, and wait until all of it is on disk."""
    with open(path, "r+b") as file:
        if mode is not None:
            os.chmod(path, mode)
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on disk, where folders can be flushed.

    They cannot on Windows, without the right to read them, and on some network file systems, as
    CIFS.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise
    finally:
        os.close(handle)


def permissions(path: Path) -> int | None:
    """The permissions of a file, for `finish`; None where a system has none that can be kept."""
    return None if WINDOWS else stat.S_IMODE(os.stat(path).st_mode)


def replace(source: Path, target: Path) -> None:
    """Rename a file over another one, as a whole.

    Raises
    ------
    OSError
        If it cannot be done, on Windows also after another second, as programs that look at new
        files hold them for a moment.
    """
    for pause in _PAUSES if WINDOWS else ():
        try:
            os.replace(source, target)
            return
        except PermissionError:
            time.sleep(pause)
    try:
        os.replace(source, target)
    except PermissionError as error:
        if WINDOWS:
            error.strerror = (
                f"{error.strerror}; Windows does not replace a file that is open, is mapped by "
                "load(..., mmap=True), or is read-only"
            )
        raise
