"""Readers of text files, whose rows are only known once they were read to the end."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

from lowprec.datasets.parts import Part
from lowprec.datasets.reader import Reader
from lowprec.datasets.tsv import bytes_of_a_line


class HasRows(Protocol):
    """Consecutive rows of a file, not yet parsed."""

    @property
    def num_rows(self) -> int:
        """How many."""


class TextReader(Reader):
    """A reader that goes through each file from its beginning."""

    @property
    def expected_rows(self) -> int | None:
        """The number of rows of all files, estimated from the length of a line of the first one."""
        if self.num_rows is not None:
            return self.num_rows
        bytes_of_a_row = bytes_of_a_line(self.paths[0])
        if bytes_of_a_row is None:
            return None
        return sum(
            int(size / bytes_of_a_row) if rows is None else rows for _, size, rows in self._files
        )

    def _read(self, epoch: int | None, first: int) -> Iterator[Part]:
        for number in self._units(epoch, len(self.paths)):
            path, (_, size, known) = self.paths[number], self._files[number]
            if known is not None and first >= known:
                first -= known
                continue
            if os.path.getsize(path) != size:
                raise ValueError(f"{path} was changed since this reader was made")
            rows = 0
            for piece in self._pieces(path):
                if first < piece.num_rows:
                    part = self._parse(path, piece, rows)
                    yield part.between(first, len(part))
                first = max(0, first - piece.num_rows)
                rows += piece.num_rows
            self._count_rows(number, rows)

    @abstractmethod
    def _pieces(self, path: str) -> Iterator[HasRows]:
        """The rows of a file, as cheaply as they can be counted."""

    @abstractmethod
    def _parse(self, path: str, piece: Any, start: int) -> Part:
        """The rows of a piece, which begins with row number `start`."""
