"""Copies of a table: on another device, or in another format."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from lowprec.device import Device
from lowprec.optimizers import init_states
from lowprec.scalar.xorshift import STREAM_WRITE
from lowprec.tables.contents import in_pieces, write_rows
from lowprec.tables.keys import row_keys
from lowprec.tables.rows import at_hand, pieces_of
from lowprec.tables.store import Store
from lowprec.typing import Rounding
from lowprec.workspace import Workspace

Table = TypeVar("Table", bound=Store)


def copy_to(store: Table, device: Device) -> Table:
    """A copy on a device; training continues with the same bits."""
    twin = type(store).__new__(type(store))
    vars(twin).update(vars(store))
    twin._file = None
    twin.device, twin._device = device.name, device  # type: ignore[assignment]
    held = device.held_as(store.dtype)
    twin._weight = device.empty(store._shape, held)
    twin._state = init_states(device, store.optimizer, *store._shape)
    for piece, weight, states in pieces_of(store):
        twin._weight[piece] = device.asarray(store._device.to_host(weight).view(held))
        for name, array in states.items():
            here = store._device.to_host(array).view(twin._state[name].dtype)
            twin._state[name][piece] = device.asarray(here)
    twin._skipped_rows = int(store._skipped_rows)
    twin._workspace, twin._decay_logs = Workspace(device), None
    return twin


def in_memory(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that copies, for tables in memory alone: ValueError otherwise."""

    @functools.wraps(method)
    def checked(store: Any, *arguments: Any) -> Any:
        if store._file is not None:
            raise ValueError(
                f"the table in {store.path} is not copied or pickled, as two tables cannot share a "
                "file: table.to('cpu') is a table in memory"
            )
        return method(store, *arguments)

    return checked


def copy_as(store: Table, storage: np.dtype, rounding: Rounding) -> Table:
    """A copy on the same device with the weights in another format."""
    device = store._device
    twin = copy_to(store, device)
    twin.dtype = storage
    twin._weight = device.empty(store._shape, device.held_as(storage))
    keys = row_keys(device, store.seed, STREAM_WRITE, store._shard)
    for piece in in_pieces(store._shape[0]):
        rows = device.xp.arange(piece.start, piece.stop, dtype=np.uint32)
        values = device.empty((rows.size, store.embedding_dim), np.float32)
        words, places = at_hand(store, rows)
        device.kernels.gather(words, places, values)
        write_rows(device, twin._words(), rows, values, keys, store._step, rounding)
    return twin
