"""One step on the rows of all ranks: the gradient of each bag goes to each owner of a row of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.batch import Batch
from lowprec.mpi.exchange import Exchange
from lowprec.mpi.routes import arrived, parcels
from lowprec.mpi.wire import check_range, is_within, packed, unpacked
from lowprec.tables import sharing
from lowprec.tables.embedding import EmbeddingTable
from lowprec.workspace import Allocator

_NOTHING = (0, 0, 0, 0, 0)


def update(exchange: Exchange, table: EmbeddingTable, given: Any, grad: Any, wire: str) -> None:
    """`ShardedTable.update`, of what it was given."""
    try:
        batch, error = sharing.batch_of_whole(table, *given), None
        flat = _check_grad(table, batch, grad, wire)
        header = _header(batch)
    except Exception as raised:
        error, header = raised, _NOTHING
    ids, bags, has_factors, mean, has_sizes = exchange.agree(error, *header).T
    for what, flags in (("pooling", mean), ("per_sample_weights", has_factors)):
        if len(set(flags[ids > 0])) > 1:
            raise ValueError(f"{what} must be given alike on all ranks that have ids")
    first_bag = int(bags[: exchange.rank].sum())
    scratch = sharing.scratch_of(table)
    data = packed(scratch, flat, wire, table.seed, table.step, first_bag)
    weighted, sized = (bool(flags[ids > 0].any()) for flags in (has_factors, has_sizes))
    own, gradients = _deliver(exchange, scratch, batch, data, weighted=weighted, sized=sized)
    sharing.update_together(table, own, gradients, exchange.agree)


def _check_grad(table: EmbeddingTable, batch: Batch, grad: Any, wire: str) -> NDArray[np.float32]:
    flat = sharing.check_grad(table, grad, (*batch.shape, table.embedding_dim))
    if table.trainable and not is_within(sharing.scratch_of(table).device, flat, wire):
        if table.on_nonfinite == "raise":
            sharing.check_finite(table, flat)
        check_range(flat, wire)
    return flat


def _header(batch: Batch) -> tuple[int, ...]:
    """What other ranks have to know of a part of the batch."""
    has_factors = batch.id_weights.size > 0 or (batch.mean and batch.offsets is not None)
    return batch.rows.size, math.prod(batch.shape), has_factors, batch.mean, batch.bags.size > 0


def _deliver(
    exchange: Exchange,
    scratch: Allocator,
    batch: Batch,
    data: NDArray[Any],
    *,
    weighted: bool,
    sized: bool,
) -> tuple[Batch, NDArray[np.float32]]:
    """The batch of this owner, and its gradients, one row a bag; `data` has those given here."""
    sent = parcels(batch, exchange.size)
    ids, bags = exchange.counts(sent.ids_to_each, sent.bags_to_each)
    rows = exchange.rows(sent.rows, sent.ids_to_each, ids)
    sizes = exchange.rows(sent.sizes, sent.bags_to_each, bags) if sized else None
    factors = exchange.rows(sent.factors, sent.ids_to_each, ids) if weighted else sent.factors[:0]
    packed_bags = sharing.taken(scratch, "bags to send", data, sent.bags)
    gradients = exchange.rows(packed_bags, sent.bags_to_each, bags)
    own = arrived(batch, rows, factors, sizes, int(bags.sum()))
    return own, unpacked(scratch, gradients)
