"""A table from what a file holds of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lowprec.checks import check_int
from lowprec.files.checkpoint import Checkpoint
from lowprec.optimizers import from_description
from lowprec.tables.files import ROWS, STATE, WEIGHT, arrays_by_name, configure, layout_of
from lowprec.tables.initial import begin, bounds_of_features
from lowprec.tables.store import Store
from lowprec.typing import DeviceName


def restore(table: Store, found: Checkpoint, description: Any, device: DeviceName) -> None:
    """Make an empty table that of a file; `description` is its own, or part of a model's."""
    configure(table, found, description, device)
    if "touched" in description:
        _restore_touched(table, found, description)
        return
    here = table._device
    arrays = {
        name: here.asarray(found.array(name, shape, dtype).view(here.held_as(dtype)))
        for name, (shape, dtype) in layout_of(table, table._shape[0]).items()
    }
    table._weight = arrays.pop(WEIGHT)
    table._state = {name.removeprefix(STATE): array for name, array in arrays.items()}


def _restore_touched(table: Store, found: Checkpoint, description: Any) -> None:
    """The table in memory that a table in a file was: all rows begin, some are those saved."""
    optimizer = table.optimizer
    with found.reading():
        count = check_int("touched", description["touched"], low=0, high=table._shape[0] + 1)
        table.optimizer = from_description(description["first_optimizer"])
        rows = found.array(ROWS, (count,), np.dtype(np.uint32))
        if count and (int(rows[-1]) >= table._shape[0] or (rows[1:] <= rows[:-1]).any()):
            raise ValueError("has rows that do not ascend, or that there are not")
    begin(table, bounds_of_features(table, table._init_range))
    table.optimizer = optimizer
    places = table._device.asarray(rows)
    layout = layout_of(table, count)
    for name, own in arrays_by_name(table).items():
        own[places] = table._device.asarray(found.array(name, *layout[name]).view(own.dtype))
