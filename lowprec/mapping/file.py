"""An open file that is mapped, and that no other process opens meanwhile."""

from __future__ import annotations

import contextlib
import errno
import io
import mmap
import os
import stat
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.files.checkpoint import CheckpointError
from lowprec.files.system import flush_folder
from lowprec.mapping import system
from lowprec.mapping.layout import PAGE, Region


class MappedFile:
    """A file, locked and mapped; made if it is missing.

    Raises
    ------
    OSError
        If it cannot be opened or made.
    CheckpointError
        If it is no regular file.
    BlockingIOError
        If it is open already, in this process or another one.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.file: io.FileIO = open(path, "r+b", buffering=0, opener=_open_or_make)  # noqa: SIM115
        self._map: mmap.mmap | None = None
        self._bytes: NDArray[np.uint8] | None = None
        self._close = weakref.finalize(self, _close, self.file, os.getpid())
        try:
            if not stat.S_ISREG(os.fstat(self.file.fileno()).st_mode):
                raise CheckpointError(f"{path} is not a regular file")
            if not system.lock(self.file):
                reason = "the table is open already, in this process or another one"
                raise BlockingIOError(errno.EAGAIN, reason, path)
        except BaseException:
            self._close()
            raise

    @property
    def size(self) -> int:
        """Bytes of the file, holes included."""
        return os.fstat(self.file.fileno()).st_size

    def first_page(self) -> bytes:
        """Its first bytes; fewer if there are no more."""
        self.file.seek(0)
        return self.file.read(PAGE)

    def empty(self, begin: bytes, nbytes: int) -> None:
        """Make it a file of this size that begins with `begin`; the rest is a hole."""
        self.file.truncate(0)
        self.file.seek(0)
        self.file.write(begin)
        self.file.truncate(nbytes)

    def map(self, nbytes: int) -> NDArray[np.uint8]:
        """Its bytes, from the beginning."""
        self._map = mmap.mmap(self.file.fileno(), nbytes)
        self._bytes = np.frombuffer(self._map, np.uint8)
        return self._bytes

    def array(self, region: Region) -> NDArray[Any]:
        """A part of what is mapped."""
        assert self._bytes is not None
        nbytes = int(np.prod(region.shape, dtype=np.int64)) * region.dtype.itemsize
        part = self._bytes[region.start : region.start + nbytes]
        return part.view(region.dtype).reshape(region.shape)

    def expect_random_reads(self, start: int) -> None:
        """Have pages from `start` on read alone, where the system can be told so."""
        assert self._map is not None
        system.expect_random_reads(self._map, start)

    def reserve(self, pages: Iterable[tuple[int, int]]) -> None:
        """Have room on the disk; OSError if there is none."""
        try:
            for start, nbytes in pages:
                system.reserve(self.file, start, nbytes)
        except OSError as error:
            raise OSError(
                error.errno, f"{error.strerror}; nothing was changed", self.path
            ) from error

    def read_ahead(self, pages: Iterable[tuple[int, int]]) -> None:
        """Have pages read, without waiting for them."""
        assert self._map is not None
        for start, nbytes in pages:
            system.read_ahead(self.file, self._map, start, nbytes)

    def are_resident(self, pages: Iterable[tuple[int, int]]) -> bool:
        """Whether all these pages are in memory; False where that is not known."""
        assert self._bytes is not None
        begin = self._bytes.ctypes.data
        return all(system.are_resident(begin + start, nbytes) for start, nbytes in pages)

    def flush(self, nbytes: int | None = None) -> None:
        """Wait until it is on disk, or its first bytes are."""
        assert self._map is not None
        if nbytes is not None:
            self._map.flush(0, nbytes)
            return
        self._map.flush()
        system.synchronise(self.file)
        flush_folder(Path(self.path).absolute().parent)

    @property
    def bytes_on_disk(self) -> int:
        """What it takes on disk."""
        return system.bytes_on_disk(self.file)

    def close(self, nbytes: int | None = None) -> None:
        """Unmap it, cut what comes after so many bytes, release it.

        Arrays that users still have keep their memory mapped.
        """
        self._bytes = None
        if self._map is not None:
            with contextlib.suppress(BufferError):
                self._map.close()
            self._map = None
        if nbytes is not None:
            with contextlib.suppress(OSError):  # on Windows while it is mapped
                self.file.truncate(nbytes)
        self._close()


def _open_or_make(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)


def _close(file: io.FileIO, process: int) -> None:
    """Release the lock too, which a map would hold; not for a forked child, which shares it."""
    if os.getpid() == process:
        system.unlock(file)
    file.close()
