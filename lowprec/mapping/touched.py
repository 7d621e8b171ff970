"""Which rows have been touched: a bit for each, in the file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_BYTES_AT_ONCE = 1 << 13


class Touched:
    """The rows that have a place in the file; bit ``row % 8`` of byte ``row // 8`` is a row's."""

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self._bits = bits

    def has(self, rows: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Whether each row was touched."""
        bits = self._bits[rows >> np.uint32(3)] >> (rows & np.uint32(7)).astype(np.uint8)
        return (bits & np.uint8(1)).astype(np.bool_)

    def add(self, rows: NDArray[np.uint32]) -> None:
        """Note rows, whose contents are in the file."""
        bits = np.left_shift(np.uint8(1), (rows & np.uint32(7)).astype(np.uint8))
        np.bitwise_or.at(self._bits, rows >> np.uint32(3), bits)

    def count(self) -> int:
        """How many rows were touched."""
        return sum(rows.size for rows in self.pieces())

    def pieces(self) -> Iterator[NDArray[np.uint32]]:
        """The touched rows in ascending order, some at a time."""
        for start in range(0, len(self._bits), _BYTES_AT_ONCE):
            part = self._bits[start : start + _BYTES_AT_ONCE]
            if part.any():
                found = np.flatnonzero(np.unpackbits(part, bitorder="little"))
                yield (found + 8 * start).astype(np.uint32)
