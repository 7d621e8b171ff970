"""Rows of a table that begin anew, for other keys."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.checks import as_keys
from lowprec.device import Device
from lowprec.optimizers.arrays import stored
from lowprec.scalar.xorshift import STREAM_RESET
from lowprec.tables.contents import last_of_equal_rows
from lowprec.tables.initial import bounds_of_features
from lowprec.tables.keys import row_keys
from lowprec.tables.shard import in_whole
from lowprec.tables.states import fit_states
from lowprec.tables.store import Store


def check_keys(device: Device, keys: Any, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """Keys of rows, of any integer dtype, as kernels take them.

    Raises
    ------
    TypeError, ValueError
        If they are no integers, or not one for each row.
    """
    given = as_keys("keys", device.asarray(keys, "keys"))
    if given.shape != shape:
        raise ValueError(f"keys must have the shape of rows, {shape}, got {given.shape}")
    return device.contiguous(given, np.uint64)  # type: ignore[no-any-return]


@in_standard_arithmetic
def reset_rows(store: Store, rows: NDArray[np.uint32], keys: NDArray[np.uint64]) -> None:
    """Give rows fresh weights and states; of equal rows, the last one wins."""
    if not rows.size:
        return
    device = store._device
    last = last_of_equal_rows(device, rows)
    rows, keys = rows[last], keys[last]
    bounds = np.array(bounds_of_features(store, store._init_range), np.float32)
    numbers = device.to_host(in_whole(store._shard, rows))
    feature = np.searchsorted(store.row_offsets, numbers, side="right") - 1
    of_rows = device.asarray(bounds[feature])
    stream = row_keys(device, store.seed, STREAM_RESET, store._shard)
    device.kernels.fill_rows(store._words(), rows, keys, of_rows, stream)
    states = store.optimizer.kept_states()
    for name, array in store._state.items():
        if states[name].counter:  # as if the last update had stepped the row
            array[rows] = store._step
        else:
            array[rows] = stored(states[name].initial, store._state_dtypes[name], array.dtype)
    fit_states(store, rows)
