"""Reading rows of all ranks: others are asked for each distinct row once, and bags pooled here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.batch import Batch
from lowprec.mpi.exchange import Exchange, without
from lowprec.mpi.routes import Router
from lowprec.tables import sharing
from lowprec.tables.embedding import EmbeddingTable

Finish = Callable[[], NDArray[np.float32]]


def begin_lookup(exchange: Exchange, table: EmbeddingTable, router: Router, given: Any) -> Finish:
    """`ShardedTable.begin_lookup`, of what it was given."""
    batch = exchange.agreed(lambda: sharing.batch_of_whole(table, *given))
    pooled = batch.offsets is not None or batch.id_weights.size > 0
    return (_begin_pooled if pooled else _begin_single)(exchange, table, router, batch)


def _begin_single(
    exchange: Exchange, table: EmbeddingTable, router: Router, batch: Batch
) -> Finish:
    """Of one id a bag: rows that are here are read here, while others are on their way."""
    route, xp = router.route(batch), router.xp
    own, to_others = exchange.own(route.to_each), route.to_each.copy()
    to_others[exchange.rank] = 0
    asked = router.request(without(xp, route.rows, own), to_others)
    answer, wait = _ask(exchange, table, asked)
    out = sharing.empty_lookup(table, batch)
    sharing.read_into(table, route.rows[own], route.order[own], out)

    def finish() -> NDArray[np.float32]:
        wait()
        sharing.decode_into(table, answer, asked.places, without(xp, route.order, own), out)
        return out

    return finish


def _begin_pooled(
    exchange: Exchange, table: EmbeddingTable, router: Router, batch: Batch
) -> Finish:
    """Of bags, which are summed in order: rows that are here are among those that arrive."""
    route, xp = router.route(batch), router.xp
    asked = router.request(route.rows, route.to_each)
    own, to_others = exchange.own(asked.to_each), asked.to_each.copy()
    to_others[exchange.rank] = 0
    others = asked._replace(rows=without(xp, asked.rows, own), to_each=to_others)
    here = sharing.stored_rows(table, asked.rows[own]).copy()  # scratch, which `_ask` sends from
    answer, wait = _ask(exchange, table, others, asked.to_each)
    answer[own] = here
    places = sharing.scratch_of(table).empty("places of rows", batch.rows.shape, np.uint32)
    places[route.order] = asked.places

    def finish() -> NDArray[np.float32]:
        wait()
        return sharing.pool(table, answer, replace(batch, rows=places))

    return finish


def _ask(
    exchange: Exchange,
    table: EmbeddingTable,
    asked: Any,
    from_each: NDArray[np.int64] | None = None,
) -> tuple[NDArray[Any], Callable[[], None]]:
    """Rows as they are stored, and what waits for them; `from_each` has the room for own ones."""
    scratch = sharing.scratch_of(table)
    (wanted_from_each,) = exchange.counts(asked.to_each)
    wanted = scratch.empty("rows to read", (int(wanted_from_each.sum()),), np.uint32)
    exchange.begin(asked.rows, asked.to_each, wanted, wanted_from_each)()
    rows = sharing.stored_rows(table, wanted)
    from_each = asked.to_each if from_each is None else from_each
    shape = int(from_each.sum()), table.embedding_dim
    answer = scratch.empty("rows of others", shape, rows.dtype)
    return answer, exchange.begin(rows, wanted_from_each, answer, from_each)
