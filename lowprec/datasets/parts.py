"""Rows that a reader has read: cut, shuffled and put together as its blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.joining import join
from lowprec.batches.samples import Samples


@dataclass(frozen=True)
class Part:
    """Consecutive rows, with what belongs to each."""

    X: Any  # `Samples`, or a table of pyarrow
    y: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.X)

    def between(self, start: int, stop: int) -> Part:
        """Some of the rows, without a copy."""
        rows = slice(start, min(stop, len(self)))
        if isinstance(self.X, Samples):
            return self._with(self.X[rows], rows)
        return self._with(self.X.slice(start, rows.stop - start), rows)

    def numbered(self, order: NDArray[np.int64]) -> Part:
        """The rows of these numbers."""
        X = self.X[order] if isinstance(self.X, Samples) else self.X.take(order)
        return self._with(X, order)

    def _with(self, X: Any, rows: Any) -> Part:
        y, weights = (None if array is None else array[rows] for array in (self.y, self.weights))
        return Part(X, y, weights)


def join_parts(parts: Sequence[Part]) -> Part:
    """The rows of all parts in order; a single part as it is."""
    first = parts[0]
    if len(parts) == 1:
        return first
    every = [part.X for part in parts]
    if isinstance(first.X, Samples):
        X = join(every)
    else:
        import pyarrow

        X = pyarrow.concat_tables(every)
    y, weights = (
        None if array is None else np.concatenate([getattr(part, name) for part in parts])
        for name, array in (("y", first.y), ("weights", first.weights))
    )
    return Part(X, y, weights)


def in_blocks(parts: Iterable[Part], size: int) -> Iterator[Part]:
    """The same rows in blocks of `size`; the last one may be smaller.

    Nothing of a block is kept once it has been given.
    """
    kept: list[Part] = []
    missing = size
    for part in parts:
        start = 0
        while start < len(part):
            piece = part.between(start, start + missing)
            kept.append(piece)
            start += len(piece)
            missing -= len(piece)
            if missing == 0:
                missing = size
                yield join_parts(_taken(kept))
    if kept:
        yield join_parts(kept)


def _taken(kept: list[Part]) -> list[Part]:
    every = list(kept)
    kept.clear()
    return every


def shuffled(
    parts: Iterable[Part], window: int, first: int, order_of: Callable[[int, int], Any]
) -> Iterator[Part]:
    """The rows of each window of `window` rows in the order ``order_of(number, rows)``.

    The windows are counted from number `first` on.  None is kept once it has been given.
    """

    def in_order(number: int, whole: Part) -> Part:
        return whole.numbered(order_of(number, len(whole)))

    return map(in_order, count(first), in_blocks(parts, window))


def without_first(parts: Iterator[Part], rows: int) -> Iterator[Part]:
    """All rows but the first ones."""
    for part in parts:
        if rows < len(part):
            yield part.between(rows, len(part))
        rows = max(0, rows - len(part))
