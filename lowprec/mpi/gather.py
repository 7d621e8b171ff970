"""All rows in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.mpi.exchange import Exchange
from lowprec.tables import sharing
from lowprec.tables.embedding import EmbeddingTable
from lowprec.tables.shard import Shard, rows_before

_ROWS_AT_ONCE = 1 << 16


def gather(exchange: Exchange, table: EmbeddingTable) -> NDArray[Any] | None:
    """The weights of the whole table on rank 0, in pieces; None elsewhere."""
    num_rows, size, here = sharing.num_rows(table), exchange.size, exchange.rank == 0
    shape, words = (num_rows if here else 0, table.embedding_dim), f"u{table.dtype.itemsize}"
    whole = exchange.agreed(lambda: np.empty(shape, words))
    of_each = np.array([rows_before(Shard(rank, size), num_rows) for rank in range(size)], np.int64)
    nothing = np.zeros(size, np.int64)
    for start in range(0, int(of_each[0]), _ROWS_AT_ONCE):
        piece = slice(start, start + _ROWS_AT_ONCE)
        parts = np.clip(of_each - start, 0, _ROWS_AT_ONCE)
        to_first = nothing.copy()
        to_first[0] = parts[exchange.rank]
        own = sharing.on_host(table, sharing.stored_rows(table, piece))
        found = exchange.rows(own, to_first, parts if here else nothing)
        for rank, part in enumerate(np.split(found, np.cumsum(parts)[:-1])) if here else ():
            whole[start * size + rank :: size][: len(part)] = part
    return whole.view(table.dtype) if here else None
