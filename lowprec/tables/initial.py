"""The first weights and states of a table, of all rows or of some."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.optimizers import Optimizer, init_states
from lowprec.optimizers.arrays import stored
from lowprec.scalar.xorshift import STREAM_INIT, STREAM_WRITE
from lowprec.schedules import check_nonnegative
from lowprec.tables.contents import check_values, write_rows
from lowprec.tables.keys import row_keys
from lowprec.tables.shard import in_whole, rows_before
from lowprec.tables.states import fit_all_states, fit_rows
from lowprec.tables.store import Store


def bounds_of_features(
    store: Store, init_range: float | None, optimizer: Optimizer | None = None
) -> list[float]:
    """The largest absolute initial weight of each feature.

    Of a table that begins with another `optimizer` than its own, if one is given.
    """
    if init_range is None and (optimizer or store.optimizer).starts_at_zero:
        init_range = 0.0
    if init_range is None:
        return [1.0 / math.sqrt(rows) for rows in store._features.num_embeddings]
    check_nonnegative("init_range", init_range)
    return [float(init_range)] * len(store._features)


def begin(store: Store, bounds: list[float], init: Any = None) -> None:
    """Make the weights and states of a new table in memory; from `init`, which a user gave.

    TypeError or ValueError if it is no such array.
    """
    values = None
    if init is not None:
        values, _ = check_values(store._device, "init", init, store._shape, store.dtype)
    store._weight = store._device.empty(store._shape, store._device.held_as(store.dtype))
    store._state = init_states(store._device, store.optimizer, *store._shape)
    if values is None:
        draw_weights(store, bounds)
    else:
        copy_weights(store, values)
    if values is not None or any(bounds):
        fit_all_states(store)


def draw_weights(store: Store, bounds: list[float]) -> None:
    """Fill the weights with numbers that are uniform in these bounds, rounded to nearest."""
    keys = row_keys(store._device, store.seed, STREAM_INIT, store._shard)
    begins = [rows_before(store._shard, row) for row in store.row_offsets]
    starts, stops = begins[:-1], begins[1:]
    for start, stop, bound in zip(starts, stops, bounds, strict=True):
        store._device.kernels.fill_uniform(store._words(), start, stop, np.float32(bound), keys)


def copy_weights(store: Store, values: NDArray[np.float32]) -> None:
    """Fill the weights with given numbers, rounded to nearest."""
    rows = store._device.xp.arange(store._shape[0], dtype=np.uint32)
    keys = row_keys(store._device, store.seed, STREAM_WRITE, store._shard)
    write_rows(store._device, store._words(), rows, values, keys, store._step, "nearest")


@in_standard_arithmetic
def begin_rows(
    store: Store, optimizer: Optimizer, bounds: NDArray[np.float32], weight: Any,
    states: dict[str, Any], places: NDArray[np.uint32], rows: NDArray[np.uint32],
) -> None:  # fmt: skip
    """Write the initial weights and states of `rows` into these arrays, at `places`.

    `bounds` has a number for each feature.  The places differ.  Without states, only weights.
    """
    if not rows.size:
        return
    device = store._device
    numbers = in_whole(store._shard, rows)
    feature = np.searchsorted(store.row_offsets, numbers, side="right") - 1
    words, keys = (
        device.words(weight, store.dtype),
        row_keys(device, store.seed, STREAM_INIT, store._shard),
    )
    device.kernels.fill_rows(words, places, numbers.astype(np.uint64), bounds[feature], keys)
    set_initial_states(store, optimizer, states, places)
    if states and bounds.any():
        fit_rows(store, optimizer, weight, states, places)


def set_initial_states(
    store: Store, optimizer: Optimizer, states: dict[str, Any], places: NDArray[np.uint32]
) -> None:
    """Write the numbers that states begin with into `places` of these arrays."""
    kept, dtypes = optimizer.kept_states(), store._state_dtypes
    for name, array in states.items():
        array[places] = stored(kept[name].initial, dtypes[name], array.dtype)
