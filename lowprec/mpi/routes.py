"""Which rank owns what: row r of the whole table is row r // size of rank r % size.

All of it keeps the order of the batch, so that owners add gradients as one process does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.batch import Batch
from lowprec.kernels.cpu.segments import group_by_row
from lowprec.kernels.gradients import LABEL, ROW_SHIFT
from lowprec.workspace import Allocator


class Request(NamedTuple):
    """The distinct rows of a batch, by owner."""

    rows: NDArray[np.uint32]  # (m,) in the owner's shard
    to_each: NDArray[np.int64]  # (size,) how many are of each owner
    places: NDArray[np.uint32]  # (n,) where the row of each position is among them


class Parcels(NamedTuple):
    """The ids of a batch by owner, and the bags whose gradients each owner needs.

    A bag is one of every owner that has a row of it.
    """

    rows: NDArray[np.uint32]  # (n,) in the owner's shard
    factors: NDArray[np.float32]  # (n,), or empty for ones
    ids_to_each: NDArray[np.int64]  # (size,)
    bags: NDArray[np.uint32]  # (m,) bags of the batch
    sizes: NDArray[np.uint32]  # (m,) how many ids of the bag are of the owner
    bags_to_each: NDArray[np.int64]  # (size,)


def rows_per_rank(num_rows: int, size: int) -> int:
    """The rows of the largest shard."""
    return -(-num_rows // size)


def request(rows: NDArray[np.uint32], num_rows: int, size: int, scratch: Allocator) -> Request:
    """What to ask owners for: each row once."""
    if not rows.size:
        return Request(rows, np.zeros(size, np.int64), rows)
    most = rows_per_rank(num_rows, size)
    numbers = rows % size * most + rows // size  # by owner, and by row of its shard
    found: Any = group_by_row(numbers, rows[:0], most * size, 1, scratch)
    distinct = (found.order[found.starts[:-1]] >> ROW_SHIFT).astype(np.uint32)
    places = np.empty(rows.size, np.uint32)
    repeats = np.diff(found.starts)
    places[found.order & LABEL] = np.repeat(np.arange(distinct.size, dtype=np.uint32), repeats)
    bounds = np.searchsorted(distinct, np.arange(size + 1, dtype=np.int64) * most)
    return Request(distinct % most, np.diff(bounds).astype(np.int64), places)


def parcels(batch: Batch, size: int) -> Parcels:
    """What to send to owners, who step the rows of a batch."""
    owners = (batch.rows % size).astype(np.uint16 if size < 2**16 else np.uint32)
    order = np.argsort(owners, kind="stable")
    ids_to_each = np.bincount(owners, minlength=size)
    rows, factors = (batch.rows // size)[order], batch.factors()
    factors = factors[order] if factors.size else factors
    if not batch.bags.size:  # one id a bag
        ones = np.ones(order.size, np.uint32)
        return Parcels(rows, factors, ids_to_each, order.astype(np.uint32), ones, ids_to_each)
    bags, owners = batch.bags[order], owners[order]
    begins = np.ones(order.size, np.bool_)
    begins[1:] = (bags[1:] != bags[:-1]) | (owners[1:] != owners[:-1])
    places = np.flatnonzero(begins)
    sizes = np.diff(places, append=order.size).astype(np.uint32)
    bags_to_each = np.bincount(owners[places], minlength=size)
    return Parcels(rows, factors, ids_to_each, bags[places], sizes, bags_to_each)


def arrived(
    batch: Batch, rows: NDArray[np.uint32], factors: NDArray[np.float32],
    sizes: NDArray[np.uint32] | None, bags: int,
) -> Batch:  # fmt: skip
    """The batch of an owner: the parcels of all ranks, in their order.

    `sizes` are those of the bags, or None for one id each; `batch` is any of the same table.
    """
    bag_of = rows[:0]
    if sizes is not None:
        bag_of = np.repeat(np.arange(bags, dtype=np.uint32), sizes)
    return Batch(batch.features, rows, bag_of, None, factors, False, (bags,))
