"""Which rank owns what: row r of the whole table is row r // size of rank r % size.

All of it keeps the order of the batch, so that owners add gradients as one process does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.batch import Batch
from lowprec.mpi.exchange import Exchange
from lowprec.tables import sharing
from lowprec.tables.embedding import EmbeddingTable


class Route(NamedTuple):
    """The positions of a batch by the owners of their rows."""

    order: NDArray[np.uint32]  # (n,) positions, those of rank 0 first
    rows: NDArray[np.uint32]  # (n,) in the owner's shard
    to_each: NDArray[np.int64]  # (size,) how many are of each owner


class Request(NamedTuple):
    """The distinct rows that are asked for, by owner."""

    rows: NDArray[np.uint32]  # (m,) in the owner's shard
    to_each: NDArray[np.int64]  # (size,) how many are of each owner
    places: NDArray[np.uint32]  # where each is among them


class Parcels(NamedTuple):
    """The bags whose gradients each owner needs: a bag is one of every owner of a row of it."""

    bags: NDArray[np.uint32]  # (m,) bags of the batch
    sizes: NDArray[np.uint32]  # (m,) how many ids of the bag are of the owner; empty for ones
    to_each: NDArray[np.int64]  # (size,)


def rows_per_rank(num_rows: int, size: int) -> int:
    """The rows of the largest shard."""
    return -(-num_rows // size)


class Router:
    """Finds the owners of batches; an update after a lookup of the same rows finds them there.

    Attributes
    ----------
    xp : module
        NumPy, or what has its functions for the arrays of the device.
    """

    def __init__(self, exchange: Exchange, table: EmbeddingTable) -> None:
        self._size = exchange.size
        self._most = rows_per_rank(sharing.num_rows(table), exchange.size)
        if self._most * self._size > 2**32:  # rows are numbered by owner, each as if the largest
            raise ValueError(
                f"{exchange.size} ranks can have at most {2**32 // exchange.size * exchange.size} "
                f"rows, got {sharing.num_rows(table)}"
            )
        self._scratch = sharing.scratch_of(table)
        self.xp = self._scratch.device.xp
        self._last: tuple[Any, Route] | None = None

    def route(self, batch: Batch) -> Route:
        """The positions of a batch by owner; its arrays are valid until that of other rows."""
        rows = batch.rows
        if self._last is None or not self.xp.array_equal(self._last[0], rows):
            found = self._scratch.device.kernels.split_by_owner(rows, self._size, self._scratch)
            self._last = rows, Route(*found)
        return self._last[1]

    def request(self, rows: NDArray[np.uint32], to_each: NDArray[np.int64]) -> Request:
        """What to ask owners for: each row once."""
        kernels = self._scratch.device.kernels
        return Request(*kernels.distinct_rows(rows, to_each, self._most, self._scratch))

    def parcels(self, batch: Batch, route: Route) -> Parcels:
        """The bags of a batch that owners need."""
        if not batch.bags.size:  # one id a bag
            return Parcels(route.order, route.order[:0], route.to_each)
        kernels = self._scratch.device.kernels
        return Parcels(
            *kernels.bags_of_owners(route.order, batch.bags, route.to_each, self._scratch)
        )

    def arrived(
        self, batch: Batch, rows: NDArray[np.uint32], factors: NDArray[np.float32],
        sizes: NDArray[np.uint32] | None, bags: int,
    ) -> Batch:  # fmt: skip
        """The batch of an owner: the parcels of all ranks, in their order.

        `sizes` are those of the bags, or None for one id each; `batch` is any of the same table.
        """
        bag_of = rows[:0]
        if sizes is not None and rows.size:
            begins = self.xp.zeros(rows.size, np.uint32)
            begins[self.xp.cumsum(sizes)[:-1]] = 1  # no bag is empty
            bag_of = self.xp.cumsum(begins, dtype=np.uint32)
        return Batch(batch.features, rows, bag_of, None, factors, False, (bags,))
