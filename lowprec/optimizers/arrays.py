"""The arrays of an optimizer's states."""

from __future__ import annotations

from typing import Any

import numpy as np

from lowprec.device import Device
from lowprec.optimizers.base import Optimizer


def init_states(
    device: Device, optimizer: Optimizer, rows: int, columns: int, *, dense: bool = False
) -> dict[str, Any]:
    """New states for weights of (rows, columns), by name, allocated as weights are.

    Of a table, in the dtypes that the device holds its storage formats in; of `dense` parameters,
    in float32.
    """
    dtypes, states = optimizer.state_dtypes(), {}
    # all rows of dense parameters are seen at every step: there is nothing to catch up
    kept = optimizer.states() if dense else optimizer.kept_states()
    for name, state in kept.items():
        storage = np.dtype(np.float32) if dense else dtypes[name]
        array = device.empty(state.shape(rows, columns), device.held_as(storage))
        array.fill(stored(state.initial, storage, array.dtype))
        states[name] = array
    return states


def stored(number: float, storage: np.dtype, held: np.dtype) -> Any:
    """A number in a storage format, as an element of an array of the dtype that holds it."""
    return np.array(number, np.float32).astype(storage).view(held)[()]
