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


@in_standard_arithmetic
def fit_states(store: Store, rows: NDArray[np.uint32]) -> None:
    """Set the states of these rows for their weights, rounded to nearest, where a rule asks for it.

    The rows differ.
    """
    if type(store.optimizer).states_for is Optimizer.states_for:
        return
    weight = _gathered(store, store._words(), rows, store.embedding_dim)
    held = {
        name: _gathered(store, _words_of(store, name), rows, array.shape[1])
        for name, array in store._state.items()
        if not store.optimizer.kept_states()[name].counter
    }
    keys = row_keys(store._device, store.seed, STREAM_WRITE)
    for name, values in store.optimizer.states_for(weight, held).items():
        words = _words_of(store, name)
        write_rows(store._device, words, rows, values, keys, store._step, "nearest")


def fit_all_states(store: Store) -> None:
    """`fit_states` of all rows."""
    for piece in in_pieces(len(store._weight)):
        fit_states(store, store._device.xp.arange(piece.start, piece.stop, dtype=np.uint32))


def _words_of(store: Store, name: str) -> Any:
    return store._device.words(store._state[name], store._state_dtypes[name])


def _gathered(store: Store, words: Any, rows: Any, columns: int) -> Any:
    out = store._device.empty((rows.size, columns), np.float32)
    store._device.kernels.gather(words, rows, out)
    return out
