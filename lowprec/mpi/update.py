"""One step on the rows of all ranks: the gradient of each bag goes to each owner of a row of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.batch import Batch
from lowprec.mpi.exchange import Exchange, without
from lowprec.mpi.routes import Parcels, Route, Router
from lowprec.mpi.wire import Packing, bits_of_largest, check_range, unpacked
from lowprec.tables import sharing
from lowprec.tables.embedding import EmbeddingTable

_NOTHING = (0, 0, 0, 0, 0)


def begin_update(
    exchange: Exchange, table: EmbeddingTable, router: Router, given: Any, grad: Any, wire: str
) -> Callable[[], None]:
    """`ShardedTable.begin_update`, of what it was given."""
    try:
        batch, error = sharing.batch_of_whole(table, *given), None
        flat = sharing.check_grad(table, grad, (*batch.shape, table.embedding_dim))
        header = _header(batch)
    except Exception as raised:
        error, header = raised, _NOTHING
    ids, bags, has_factors, mean, has_sizes = exchange.agree(error, *header).T
    for what, flags in (("pooling", mean), ("per_sample_weights", has_factors)):
        if len(set(flags[ids > 0])) > 1:
            raise ValueError(f"{what} must be given alike on all ranks that have ids")
    packing = Packing(table, wire, int(bags[: exchange.rank].sum()))
    weighted, sized = (bool(flags[ids > 0].any()) for flags in (has_factors, has_sizes))
    return _deliver(exchange, table, router, batch, flat, packing, weighted=weighted, sized=sized)


def _header(batch: Batch) -> tuple[int, ...]:
    """What other ranks have to know of a part of the batch."""
    has_factors = batch.id_weights.size > 0 or (batch.mean and batch.offsets is not None)
    return batch.rows.size, math.prod(batch.shape), has_factors, batch.mean, batch.bags.size > 0


def _deliver(
    exchange: Exchange,
    table: EmbeddingTable,
    router: Router,
    batch: Batch,
    grad: NDArray[np.float32],
    packing: Packing,
    *,
    weighted: bool,
    sized: bool,
) -> Callable[[], None]:
    """Send what owners need of a batch; returns what waits for that of others and steps."""
    route = router.route(batch)
    parcels = router.parcels(batch, route)
    ids, bags = exchange.counts(route.to_each, parcels.to_each)
    gradients = packing.room("gradients", int(bags.sum()))
    to_send, bits = _pack(exchange, packing, grad, parcels, gradients[exchange.own(bags)])
    bits = max(bits, bits_of_largest(grad, batch))
    error = _why_not(table, grad, packing, bits)
    largest = packing.as_sent(exchange.agree(error, bits).max())
    send = _Sending(exchange, table)
    rows = send.begin("rows", route.rows, route.to_each, ids)
    factors, sizes = batch.rows[:0].view(np.float32), None
    if weighted:
        factors = send.begin("factors", _by_owner(batch, route), route.to_each, ids)
    if sized:
        own_sizes = (
            parcels.sizes if batch.bags.size else router.xp.ones(len(parcels.bags), np.uint32)
        )
        sizes = send.begin("sizes", own_sizes, parcels.to_each, bags)
    send.begin_packed(to_send, parcels.to_each, gradients, bags)

    def finish() -> None:
        send.wait()
        own = router.arrived(batch, rows, factors, sizes, len(gradients))
        found = unpacked(sharing.scratch_of(table), gradients)
        sharing.update_together(table, own, found, exchange.agree, largest)

    return finish


def _pack(
    exchange: Exchange,
    packing: Packing,
    grad: NDArray[np.float32],
    parcels: Parcels,
    own_room: NDArray[Any],
) -> tuple[NDArray[Any], int]:
    """The gradients for others, with those for this rank itself in their room; the largest."""
    own = exchange.own(parcels.to_each)
    to_send = packing.room("gradients to send", len(parcels.bags) - len(own_room))
    parts = (
        (parcels.bags[: own.start], to_send[: own.start]),
        (parcels.bags[own], own_room),
        (parcels.bags[own.stop :], to_send[own.start :]),
    )
    return to_send, max(packing.pack(grad, bags, room) for bags, room in parts)


def _why_not(
    table: EmbeddingTable, grad: NDArray[np.float32], packing: Packing, bits: int
) -> Exception | None:
    """What is wrong with gradients of which the largest has these bits."""
    if not table.trainable or packing.holds(bits):
        return None
    try:
        if table.on_nonfinite == "raise":
            sharing.check_finite(table, grad)
        check_range(sharing.on_host(table, grad), packing.wire)
    except FloatingPointError as error:
        return error
    return None


def _by_owner(batch: Batch, route: Route) -> NDArray[np.float32]:
    factors = batch.factors()
    return factors[route.order] if factors.size else factors


class _Sending:
    """Arrays that are on their way to all ranks, and from them."""

    def __init__(self, exchange: Exchange, table: EmbeddingTable) -> None:
        self._exchange, self._scratch = exchange, sharing.scratch_of(table)
        self._waits: list[Callable[[], None]] = []

    def begin(
        self, name: str, array: NDArray[Any], to_each: NDArray[np.int64],
        from_each: NDArray[np.int64],
    ) -> NDArray[Any]:  # fmt: skip
        """Begin to exchange numbers, one or more for each rank; where they will be."""
        own, exchange = self._exchange.own(to_each), self._exchange
        found = self._scratch.empty(name, (int(from_each.sum()),), array.dtype)
        found[exchange.own(from_each)] = array[own]
        self.begin_packed(without(self._scratch.device.xp, array, own), to_each, found, from_each)
        return found  # type: ignore[no-any-return]

    def begin_packed(
        self, to_send: NDArray[Any], to_each: NDArray[np.int64], found: NDArray[Any],
        from_each: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """Begin to exchange rows, of which those for this rank itself are in `found` already."""
        to_others = to_each.copy()
        to_others[self._exchange.rank] = 0
        self._waits.append(self._exchange.begin(to_send, to_others, found, from_each))

    def wait(self) -> None:
        """Until all has arrived."""
        for wait in self._waits:
            wait()
