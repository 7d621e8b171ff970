"""The rows of a table, whether its arrays are in memory or in a file.

In a file, rows that were never touched are not in the arrays.  A `store` is a
`lowprec.tables.store.Store`, which is above this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

ROWS_AT_ONCE = 1 << 16


def at_hand(store: Any, rows: Any) -> tuple[Any, Any]:
    """Words that hold rows, and the rows' places there; a copy where some rows are untouched."""
    if store._file is None:
        return store._words(), rows
    weight, _, places = store._file.rows(store, rows, {})
    return store._device.words(weight, store.dtype), places


def pieces_of(store: Any) -> Iterator[tuple[slice, Any, dict[str, Any]]]:
    """All rows, some at a time, so that little memory is needed beside them: weights, states."""
    for start in range(0, store._shape[0], ROWS_AT_ONCE):
        piece = slice(start, min(start + ROWS_AT_ONCE, store._shape[0]))
        if store._file is not None:
            yield piece, *store._file.piece(store, piece)
        else:
            states = {name: array[piece] for name, array in store._state.items()}
            yield piece, store._weight[piece], states


def touch(store: Any, rows: Any) -> None:
    """Give rows of a table in a file a place in its arrays."""
    if store._file is not None:
        store._file.touch(store, rows)


def as_a_whole(store: Any, rows: Any = None) -> AbstractContextManager[None]:
    """A block whose changes, of these rows, come to a file as a whole or not at all.

    Without rows, `about_to_change` comes before the first of them is written.
    """
    return nullcontext() if store._file is None else store._file.transaction(store, rows)


def about_to_change(store: Any, rows: Any) -> None:
    """Note which rows change in a block `as_a_whole`."""
    if store._file is not None:
        store._file.log(store, rows)
