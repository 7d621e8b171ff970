"""The keys of a table's rows, as arrays on its device."""

from __future__ import annotations

import functools

import numpy as np

from lowprec.device import Device
from lowprec.kernels.keys import RowKeys, stream_of
from lowprec.tables.shard import Shard


@functools.lru_cache(maxsize=1024)
def row_keys(device: Device, seed: int, stream: int, shard: Shard) -> RowKeys:
    """The keys of one table, whose row r is number ``rank + r * of`` of a whole table."""
    entries = (
        np.array([stream_of(seed, stream)], np.uint64),
        np.zeros(1, np.int64),
        np.array([shard.rank], np.int64),
        np.array([shard.of], np.int64),
    )
    return RowKeys(*map(device.asarray, entries))
