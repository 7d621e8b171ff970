"""The keys of a table's rows, as arrays on its device."""

from __future__ import annotations

import functools

import numpy as np

from lowprec.device import Device
from lowprec.kernels.keys import RowKeys, stream_of


@functools.lru_cache(maxsize=1024)
def row_keys(device: Device, seed: int, stream: int, first: int = 0, stride: int = 1) -> RowKeys:
    """The keys of one table, whose row r is number ``first + r * stride`` of a whole table."""
    entries = (
        np.array([stream_of(seed, stream)], np.uint64),
        np.zeros(1, np.int64),
        np.array([first], np.int64),
        np.array([stride], np.int64),
    )
    return RowKeys(*map(device.asarray, entries))
