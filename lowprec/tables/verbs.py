"""What models ask of their table beyond its public face: the verbs of training."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.batch import Batch, make_batch
from lowprec.batches.features import Features
from lowprec.files.checkpoint import Checkpoint
from lowprec.graphs import Captured, Repeated, Same
from lowprec.interrupts import Uninterrupted
from lowprec.kernels.keys import stream_key
from lowprec.scalar.xorshift import STREAM_ROUND, STREAM_UPDATE
from lowprec.tables import files
from lowprec.tables.contents import in_pieces
from lowprec.tables.diagnosis import diagnose
from lowprec.tables.embedding import EmbeddingTable
from lowprec.tables.files import SavedRows, arrays_of, description_of, layout_of, names_in
from lowprec.tables.keys import row_keys
from lowprec.tables.opening import has_table, table_exists
from lowprec.tables.restoring import fill
from lowprec.tables.store import Store
from lowprec.tables.update import StepNumbers, step_numbers, update
from lowprec.typing import DeviceName

__all__ = [
    "SavedRows",
    "StepNumbers",
    "arrays_of",
    "at_step",
    "batch_of",
    "check_no_table",
    "check_open",
    "check_writable",
    "configured",
    "description_of",
    "diagnose",
    "features_of",
    "fill",
    "go_back",
    "halve",
    "layout_of",
    "names_in",
    "step_numbers",
    "stepped_by",
    "take_over",
    "unchanged",
    "update",
    "what_graphs_depend_on",
]


def configured(
    found: Checkpoint, description: Any, device: DeviceName
) -> tuple[EmbeddingTable, SavedRows]:
    """The table of a model's file without its rows, and these, checked, which `fill` gives it."""
    table = EmbeddingTable.__new__(EmbeddingTable)
    files.configure(table, found, description, device)
    return table, files.saved_rows(table, found, description)


def check_no_table(path: Any) -> None:
    """FileExistsError if a new table at `path` would overwrite one; nothing for None."""
    if path is not None and has_table(path):
        raise table_exists(os.fspath(path))


def check_open(table: Store) -> None:
    """ValueError if a table in a file is closed."""
    if table._file is not None:
        table._file.open()


def take_over(table: Store, arrays: dict[str, Any], step: int, skipped_rows: int) -> None:
    """Make a table what it was when `arrays_of` gave copies of these arrays."""
    with table._workspace.alone("this table is set back"):
        files.take_over(table, arrays, step, skipped_rows)


def features_of(table: Store) -> Features:
    """The rows of each feature."""
    return table._features


def batch_of(
    table: Store, indices: Any, offsets: Any, weights: Any, across_features: bool, *, checked: bool
) -> Batch:
    """A batch of ids on the table's device, not validated again if they were `checked`."""
    return make_batch(
        table._device, table._features, indices, offsets, per_sample_weights=weights,
        across_features=across_features, checked=checked, padding=table.padding_idx is not None,
    )  # fmt: skip


def what_graphs_depend_on(table: Store) -> Any:
    """Where a step of a table finds its arrays, and what decides which kernels it takes."""
    keys = row_keys(table._device, table.seed, STREAM_UPDATE, table._shard)
    arrays = (table._weight, *table._state.values(), *keys)
    places = tuple(map(table._device.address, arrays))
    return places, Same(table.optimizer), table.trainable, table._workspace.version


def at_step(table: Store, step: int, work: Callable[[], Any]) -> Any:
    """What `work` returns that begins at a step; the table's own step does not change."""
    before, table._step = table._step, step
    try:
        return work()
    finally:
        table._step = before


def stepped_by(table: Store, graph: Captured | Repeated) -> Any:
    """What a graph returns, which does all that a step of a table does on its device."""
    with Uninterrupted():
        result = graph.launch(table._workspace.alone("this table is updated"))
        table._step += 1
    return result


def check_writable(table: Store) -> None:
    """ValueError if a step cannot write the table's memory; those of a frozen table write none."""
    if table._trainable:
        table._check_writable()


def go_back(table: Store, step: int) -> None:
    """Take back the count of steps that wrote nothing."""
    table._step = step
    if table._file is not None:
        table._file.note_step(step)


def unchanged(table: Store, what: str) -> AbstractContextManager[None]:
    """A block in which no other thread updates the table."""
    return table._workspace.unchanged(what)


def halve(table: Store, drawn: int) -> int:
    """Halve all weights, which is exact but for subnormal ones.

    Stochastic rounding takes a seed for each piece of the table, the numbers after its own; so many
    were `drawn` before.  Returns how many are drawn then.
    """
    with table._workspace.alone("this table is halved"):
        return _halve(table, drawn)


@in_standard_arithmetic
def _halve(table: Store, drawn: int) -> int:
    kernels, xp = table._device.kernels, table._device.xp
    for piece in in_pieces(len(table._weight)):
        part = table._weight[piece]
        words = table._device.words(part, table.dtype)
        values = xp.empty(part.shape, np.float32)
        kernels.gather(words, xp.arange(len(part), dtype=np.uint32), values)
        values *= np.float32(0.5)
        flat, out = values.reshape(-1), table._device.words(part.reshape(-1), table.dtype)
        if table.rounding == "nearest":
            kernels.round_nearest(flat, out)
        else:
            drawn += 1
            seed = (table.seed + drawn) % 2**64
            kernels.round_stochastic(flat, stream_key(seed, STREAM_ROUND, 0), out)
    return drawn
