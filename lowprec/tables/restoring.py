"""A table from what a file holds of it: in memory, or with its rows in a new file."""

from __future__ import annotations

from typing import Any

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.tables.contents import in_pieces
from lowprec.tables.files import STATE, WEIGHT, SavedRows, arrays_by_name
from lowprec.tables.initial import begin, bounds_of_features
from lowprec.tables.mapped import TableFile
from lowprec.tables.store import Store


@in_standard_arithmetic
def fill(table: Store, saved: SavedRows, path: Any = None, *, replaces: bool = False) -> None:
    """Give a table that is configured its rows, in memory or in a file at `path`.

    The file is new, or `replaces` that of a table with the same arguments.  It is complete last: a
    kill before leaves one that is made anew.

    Raises
    ------
    ValueError, OSError, CheckpointError
        As `TableFile` says.
    """
    if path is not None:
        bounds = _first_bounds(table, saved)
        table._file = TableFile(table, path, bounds, saved=saved, replaces=replaces)
    elif saved.rows is None:
        here = table._device
        arrays = {
            name: here.asarray(array.view(here.held_as(array.dtype)))
            for name, array in saved.arrays.items()
        }
        table._weight = arrays.pop(WEIGHT)
        table._state = {name.removeprefix(STATE): array for name, array in arrays.items()}
    else:
        _fill_touched(table, saved)


def _first_bounds(table: Store, saved: SavedRows) -> list[float]:
    """How large weights are in rows that the file does not hold."""
    return bounds_of_features(table, table._init_range, saved.origin)


def _fill_touched(table: Store, saved: SavedRows) -> None:
    """All rows begin in memory, some are those saved."""
    assert saved.rows is not None
    optimizer, table.optimizer = table.optimizer, saved.origin
    begin(table, _first_bounds(table, saved))
    table.optimizer = optimizer
    for name, own in arrays_by_name(table).items():
        for piece in in_pieces(saved.rows.size):
            places = table._device.asarray(saved.rows[piece])
            own[places] = table._device.asarray(saved.arrays[name][piece].view(own.dtype))
