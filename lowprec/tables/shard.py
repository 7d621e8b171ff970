"""Shards: the rows of a table that one of several processes holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.batch import Batch
from lowprec.checks import check_int
from lowprec.device import Device


@dataclass(frozen=True)
class Shard:
    """The part of a table with the rows that are `rank` modulo `of`.

    `EmbeddingTable(..., shard=)` makes a table of these rows alone.  Row j of its `weight`, `init`
    and states is row ``rank + j * of`` of the whole stacked table.  `num_embeddings`,
    `row_offsets`, ids and the rows of `read`, `write` and `reset` are those of the whole; a row of
    another shard is an IndexError.

    Parameters
    ----------
    rank : int
        Which part, in [0, of).
    of : int
        How many parts there are, at least 1.

    Raises
    ------
    TypeError, ValueError
        If they are not such integers.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> whole = lp.EmbeddingTable(10, embedding_dim=4)
    >>> shards = [lp.EmbeddingTable(10, embedding_dim=4, shard=lp.Shard(k, 3)) for k in range(3)]
    >>> [len(shard.weight) for shard in shards]
    [4, 3, 3]
    >>> bool((shards[1].weight == whole.weight[1::3]).all())  # the random bits of the whole
    True
    """

    rank: int
    of: int

    def __post_init__(self) -> None:
        of = check_int("of", self.of, low=1)
        object.__setattr__(self, "of", of)
        object.__setattr__(self, "rank", check_int("rank", self.rank, low=0, high=of))


WHOLE = Shard(0, 1)


def check_shard(shard: Any, num_rows: int) -> Shard:
    """The shard, or all rows for None; ValueError if the shard has no row of the table."""
    if shard is None:
        return WHOLE
    if not isinstance(shard, Shard):
        raise TypeError(f"shard must be a lowprec.Shard, got {shard!r}")
    if shard.rank >= num_rows:
        raise ValueError(f"{shard} of a table of {num_rows} rows has no rows")
    return shard


def rows_before(shard: Shard, row: int) -> int:
    """How many of the first `row` rows of the whole are in a shard."""
    return -(-(int(row) - shard.rank) // shard.of)


def in_whole(shard: Shard, rows: Any) -> Any:
    """The rows of the whole that rows of a shard are, as int64."""
    return rows.astype(np.int64) * shard.of + shard.rank


def in_shard(device: Device, shard: Shard, rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Rows of the whole as rows of a shard.

    Raises
    ------
    IndexError
        If one is in another shard: names the position and the row.
    """
    if shard.of == 1:
        return rows
    others = device.xp.flatnonzero(rows % shard.of != shard.rank)
    if others.size:
        place = int(others[0])
        raise IndexError(f"rows[{place}] = {rows[place]} {_elsewhere(shard, int(rows[place]))}")
    return rows // shard.of


def batch_in_shard(device: Device, shard: Shard, batch: Batch, ids: Any, padding: bool) -> Batch:
    """A batch of rows of the whole, made of these ids, as one of rows of a shard.

    Raises
    ------
    IndexError
        If a row is in another shard: names the position, the id and the row.
    """
    if shard.of == 1:
        return batch
    others = device.xp.flatnonzero(batch.rows % shard.of != shard.rank)
    if not others.size:
        return replace(batch, rows=batch.rows // shard.of)
    flat, place = ids.reshape(-1), int(others[0])
    position = int(device.xp.flatnonzero(flat >= 0)[place]) if padding else place
    where = ", ".join(str(i) for i in np.unravel_index(position, ids.shape))
    row = int(batch.rows[place])
    raise IndexError(
        f"indices[{where}] = {flat[position]} is row {row} of the table, "
        f"which {_elsewhere(shard, row)}"
    )


def _elsewhere(shard: Shard, row: int) -> str:
    return f"belongs to shard {row % shard.of} of {shard.of}; this is shard {shard.rank}"
