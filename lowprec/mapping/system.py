"""What the systems do differently with a mapped file: locks, room on the disk, reading ahead.

Linux has all of it.  macOS reserves no room and reads ahead by the map; Windows does neither, and
takes disk space for holes in a file.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import io
import mmap
import os
import sys
import zlib

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PLACE_OF_THE_LOCK = 1 << 43  # on Windows: a byte that nobody reads, and file systems can name
_CANNOT_RESERVE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def lock(file: io.FileIO) -> bool:
    """Take the only lock of an open file; False if another has it, also in this process.

    The system releases it when the process dies.
    """
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            _lock_byte(file, "LK_NBLCK")
    except (BlockingIOError, PermissionError):
        return False
    return True


def unlock(file: io.FileIO) -> None:
    """Release the lock, although a map may hold the file open."""
    with contextlib.suppress(OSError):
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_UN)
        else:
            _lock_byte(file, "LK_UNLCK")


def _lock_byte(file: io.FileIO, how: str) -> None:
    import msvcrt

    file.seek(_PLACE_OF_THE_LOCK)
    msvcrt.locking(file.fileno(), getattr(msvcrt, how), 1)  # type: ignore[attr-defined]


def reserve(file: io.FileIO, start: int, nbytes: int) -> None:
    """Have room on the disk for a part of a file; OSError if there is none.

    Writing to a hole in a map would end the process by SIGBUS when the disk is full.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file.fileno(), start, nbytes)
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise


def expect_random_reads(mapped: mmap.mmap, start: int) -> None:
    """Have the system read the pages that are touched, and none around them, from `start` on."""
    if hasattr(mmap, "MADV_RANDOM"):
        mapped.madvise(mmap.MADV_RANDOM, start)


def read_ahead(file: io.FileIO, mapped: mmap.mmap, start: int, nbytes: int) -> None:
    """Have the system begin to read whole pages; it does not wait for them."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), start, nbytes, os.POSIX_FADV_WILLNEED)
    elif hasattr(mmap, "MADV_WILLNEED"):
        mapped.madvise(mmap.MADV_WILLNEED, start, nbytes)


def are_resident(address: int, nbytes: int) -> bool:
    """Whether whole pages of a map are in memory; False where the system does not say it."""
    library = _library()
    if library is None:
        return False
    found = ctypes.create_string_buffer(-(-nbytes // mmap.PAGESIZE))
    failed = library.mincore(ctypes.c_void_p(address), ctypes.c_size_t(nbytes), found)
    return not failed and all(byte & 1 for byte in found.raw)


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The C library, where it has `mincore` with Linux's arguments."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def synchronise(file: io.FileIO) -> None:
    """Wait until what was written to a file is on disk."""
    os.fsync(file.fileno())


def bytes_on_disk(file: io.FileIO) -> int:
    """What a file takes on disk, holes left out where the system says so."""
    found = os.fstat(file.fileno())
    blocks = getattr(found, "st_blocks", None)
    return found.st_size if blocks is None else 512 * blocks


@functools.cache
def this_boot() -> int:
    """A number, never 0, of the time since the machine was started; 0 where none is known."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return zlib.crc32(file.read()) | 1 << 32
    except OSError:
        return 0
