"""States that are a function of the weights, where weights were written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.optimizers import Optimizer
from lowprec.scalar.xorshift import STREAM_WRITE
from lowprec.tables.contents import in_pieces, write_rows
from lowprec.tables.keys import row_keys
from lowprec.tables.store import Store


def fit_states(store: Store, rows: NDArray[np.uint32]) -> None:
    """Set the states of these rows for their weights, rounded to nearest, where a rule asks for it.

    The rows differ.
    """
    fit_rows(store, store.optimizer, store._weight, store._state, rows)


@in_standard_arithmetic
def fit_rows(
    store: Store, optimizer: Optimizer, weight: Any, states: dict[str, Any], rows: Any
) -> None:
    """`fit_states` of rows of these arrays, as the table has them."""
    if type(optimizer).states_for is Optimizer.states_for:
        return
    device, dtypes = store._device, store._state_dtypes
    words = {name: device.words(array, dtypes[name]) for name, array in states.items()}
    kept = optimizer.kept_states()
    held = {
        name: _gathered(store, words[name], rows, array.shape[1])
        for name, array in states.items()
        if not kept[name].counter
    }
    numbers = _gathered(store, device.words(weight, store.dtype), rows, store.embedding_dim)
    keys = row_keys(device, store.seed, STREAM_WRITE, store._shard)
    for name, values in optimizer.states_for(numbers, held).items():
        write_rows(device, words[name], rows, values, keys, store._step, "nearest")


def fit_all_states(store: Store) -> None:
    """`fit_states` of all rows."""
    for piece in in_pieces(len(store._weight)):
        fit_states(store, store._device.xp.arange(piece.start, piece.stop, dtype=np.uint32))


def _gathered(store: Store, words: Any, rows: Any, columns: int) -> Any:
    out = store._device.empty((rows.size, columns), np.float32)
    store._device.kernels.gather(words, rows, out)
    return out
