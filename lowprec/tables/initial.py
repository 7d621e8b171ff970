"""The first weights of a table."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lowprec.scalar.xorshift import STREAM_INIT, STREAM_WRITE
from lowprec.schedules import check_nonnegative
from lowprec.tables.contents import write_rows
from lowprec.tables.keys import row_keys
from lowprec.tables.store import Store


def bounds_of_features(store: Store, init_range: float | None) -> list[float]:
    """How large the weights of each feature are at most."""
    if init_range is None and store.optimizer.starts_at_zero:
        init_range = 0.0
    if init_range is None:
        return [1.0 / math.sqrt(rows) for rows in store._features.num_embeddings]
    check_nonnegative("init_range", init_range)
    return [float(init_range)] * len(store._features)


def draw_weights(store: Store, bounds: list[float]) -> None:
    """Fill the weights with numbers that are uniform in these bounds, rounded to nearest."""
    keys = row_keys(store._device, store.seed, STREAM_INIT)
    starts, stops = store.row_offsets[:-1], store.row_offsets[1:]
    for start, stop, bound in zip(starts, stops, bounds, strict=True):
        store._device.kernels.fill_uniform(store._words(), start, stop, np.float32(bound), keys)


def copy_weights(store: Store, values: NDArray[np.float32]) -> None:
    """Fill the weights with given numbers, rounded to nearest."""
    rows = store._device.xp.arange(store._shape[0], dtype=np.uint32)
    keys = row_keys(store._device, store.seed, STREAM_WRITE)
    write_rows(store._device, store._words(), rows, values, keys, store._step, "nearest")
