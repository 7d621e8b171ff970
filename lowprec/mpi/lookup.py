"""Reading rows of all ranks: each distinct row is asked for once, and pooled where its bag is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.mpi.exchange import Exchange
from lowprec.mpi.routes import request
from lowprec.tables import sharing
from lowprec.tables.embedding import EmbeddingTable


def look_up(exchange: Exchange, table: EmbeddingTable, given: Any) -> NDArray[np.float32]:
    """`ShardedTable.lookup`, of what it was given."""
    batch = exchange.agreed(lambda: sharing.batch_of_whole(table, *given))
    num_rows, scratch = sharing.num_rows(table), sharing.scratch_of(table)
    asked = request(batch.rows, num_rows, exchange.size, scratch)
    (from_each,) = exchange.counts(asked.to_each)
    rows = exchange.rows(asked.rows, asked.to_each, from_each)
    answer = exchange.rows(sharing.stored_rows(table, rows), from_each, asked.to_each)
    return sharing.pool(table, answer, replace(batch, rows=asked.places))
