"""The first page of a table's file, and its two descriptions: each change is one store of a word.

A kill can come between any two stores.  So what changes together lies in a record, of which there
are two: the one that is not in use is written, and then a word tells which one is.  The memory of a
map outlives the process.
"""

from __future__ import annotations

import json
import threading
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.files.checkpoint import TABLE_MAGIC, CheckpointError
from lowprec.mapping.layout import PAGE

MAGIC = int.from_bytes(TABLE_MAGIC, "little")
VERSION = 1
_FIXED = 5  # magic, version, bytes of a description, end, and their checksum
_MADE, _IN_USE, _RECORDS, _RECORD = 6, 7, (16, 24), 8  # words


class Record(NamedTuple):
    """What changes at each step."""

    step: int
    skipped_rows: int
    trainable: int
    description: int  # which of the two
    log_bytes: int  # 0: there is nothing to undo
    log_checksum: int
    boot: int  # of the machine, if there may be changes that are not on disk


NEW = Record(0, 0, 1, 0, 0, 0, 0)


def read_fixed(page: bytes, path: str) -> tuple[int, int] | None:
    """The bytes of a description and the end, of a file that begins so; None if it was never made.

    Raises
    ------
    CheckpointError
        If it is no table's file, of another version, or damaged.
    """
    if page[:8] not in (b"", TABLE_MAGIC):
        raise CheckpointError(f"{path} is not a table in a file")
    words = np.frombuffer(page.ljust(PAGE, b"\0"), "<u8")
    if words[_MADE] == 0:
        return None
    if words[1] != VERSION:
        raise CheckpointError(f"{path} has version {words[1]} of a table's file; known: {VERSION}")
    if words[_MADE] != MAGIC or words[4] != _checksum(words[:4]):
        raise CheckpointError(f"{path} is damaged: the checksum of its first words does not fit")
    return int(words[2]), int(words[3])


class Header:
    """The words and descriptions of a file that is mapped from its beginning."""

    def __init__(self, mapped: NDArray[np.uint8], description_bytes: int, path: str) -> None:
        self._words = mapped[:PAGE].view("<u8")
        self._slots = mapped[PAGE : PAGE + 2 * description_bytes].reshape(2, -1)
        self._path = path
        self._mutex = threading.Lock()

    def begin(self, end: int) -> None:
        """The fixed words of a new file; it is none before `make`."""
        words = np.array([MAGIC, VERSION, self._slots.shape[1], end], "<u8")
        self._words[:_FIXED] = [*words, _checksum(words)]

    def make(self, description: dict[str, Any], record: Record = NEW) -> None:
        """Complete a new file."""
        self._write(0, record)
        self.describe(description)
        self._words[_MADE] = MAGIC  # which no single damaged bit makes of 0

    @property
    def record(self) -> Record:
        """The record in use; CheckpointError if it is damaged."""
        place = int(self._words[_IN_USE])
        if place in (0, 1):
            words = self._words[_RECORDS[place] :][:_RECORD]
            if words[-1] == _checksum(words[:-1]):
                return Record(*map(int, words[:-1]))
        raise CheckpointError(f"{self._path} is damaged: the checksum of its step does not fit")

    def change(self, **numbers: int) -> None:
        """Write new numbers into the record: after a crash it has all of them, or none."""
        with self._mutex:
            record = self.record._replace(**numbers)
            self._write(1 - int(self._words[_IN_USE]), record)

    def _write(self, place: int, record: Record) -> None:
        words = np.array(record, "<u8")
        self._words[_RECORDS[place] :][:_RECORD] = [*words, _checksum(words)]
        self._words[_IN_USE] = place  # one aligned store: before or after it, never between

    @property
    def description(self) -> dict[str, Any]:
        """The description in use; CheckpointError if it is damaged."""
        text = self._slots[self.record.description & 1].tobytes().rstrip(b"\0")
        checksum, _, entry = text.partition(b" ")
        if checksum != _hex(entry):
            raise CheckpointError(
                f"{self._path} is damaged: the checksum of its description does not fit"
            )
        return json.loads(entry)  # type: ignore[no-any-return]

    def describe(self, description: dict[str, Any]) -> None:
        """Replace the description; ValueError if it is too long."""
        text, place = text_of(description), 1 - self.record.description
        if len(text) > self._slots.shape[1]:
            raise ValueError(f"the description of {self._path} has no room for {description!r}")
        self._slots[place] = np.frombuffer(text.ljust(self._slots.shape[1], b"\0"), np.uint8)
        self.change(description=place)


def text_of(description: dict[str, Any]) -> bytes:
    """A description as it is written: a checksum and JSON."""
    entry = json.dumps(description).encode()
    return _hex(entry) + b" " + entry


def _hex(entry: bytes) -> bytes:
    return f"{zlib.crc32(entry):08x}".encode()


def _checksum(words: NDArray[np.uint64]) -> int:
    return zlib.crc32(words.astype("<u8").tobytes())
