"""What a table that is spread over processes asks of the shard of each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.batch import Batch
from lowprec.files.manifest import Manifest
from lowprec.tables.embedding import EmbeddingTable
from lowprec.tables.folders import common_description, restore_shard
from lowprec.tables.lookup import batch_of_whole
from lowprec.tables.lookup import pool as pool_words
from lowprec.tables.rows import at_hand
from lowprec.tables.shard import Shard
from lowprec.tables.store import Store
from lowprec.tables.update import check_finite, check_grad, update_together
from lowprec.typing import DeviceName
from lowprec.workspace import Allocator

__all__ = [
    "batch_of_whole",
    "check_finite",
    "check_grad",
    "common_description",
    "decode_into",
    "empty_lookup",
    "load_shard",
    "num_rows",
    "on_host",
    "pool",
    "read_into",
    "scratch_of",
    "stored_rows",
    "update_together",
]

_FLOAT32 = np.dtype(np.float32)


def num_rows(table: Store) -> int:
    """Rows of the whole table."""
    return table._features.num_rows


def scratch_of(table: Store) -> Allocator:
    """The workspace of a table, whose arrays every step uses again."""
    return table._workspace


def on_host(table: Store, array: Any) -> NDArray[Any]:
    """An array of the table's device as one of NumPy."""
    return table._device.to_host(array)


def stored_rows(table: Store, rows: Any) -> NDArray[Any]:
    """Rows of a shard as they are stored: unsigned integers, (n, embedding_dim)."""
    if table._file is not None and isinstance(rows, slice):
        rows = np.arange(*rows.indices(table._shape[0]), dtype=np.uint32)
    words, places = (table._weight, rows) if table._file is None else at_hand(table, rows)
    words = words.view(f"u{table.dtype.itemsize}")
    return words[places] if isinstance(places, slice) else _taken(scratch_of(table), words, places)


@in_standard_arithmetic
def _taken(scratch: Allocator, array: NDArray[Any], rows: NDArray[np.uint32]) -> NDArray[Any]:
    """``array[rows]``, of a C-contiguous matrix.

    The kernel that decodes rows copies them where they are whole float32 words: it prefetches.
    """
    device = scratch.device
    if array.shape[1] * array.itemsize % 4 or not rows.size:
        return device.xp.take(array, rows, axis=0)  # type: ignore[no-any-return]
    words = device.words(array.view(np.float32), _FLOAT32)
    out = scratch.empty("rows to send", (rows.size, words.shape[1]), np.float32)
    device.kernels.gather(words, rows, out)
    return out.view(array.dtype)  # type: ignore[no-any-return]


def empty_lookup(table: Store, batch: Batch) -> NDArray[np.float32]:
    """Room for the lookup of a batch."""
    return table._device.empty((*batch.shape, table.embedding_dim), np.float32)  # type: ignore[no-any-return]


@in_standard_arithmetic
def read_into(table: Store, rows: NDArray[np.uint32], bags: NDArray[np.uint32], out: Any) -> None:
    """Write rows of a shard into these bags of a lookup, of one id a bag."""
    if rows.size:
        words, places = at_hand(table, rows)
        flat = out.reshape(-1, table.embedding_dim)
        table._device.kernels.gather_to(words, places, bags, flat)


@in_standard_arithmetic
def decode_into(
    table: Store, stored: NDArray[Any], rows: NDArray[np.uint32], bags: NDArray[np.uint32], out: Any
) -> None:
    """As `read_into`, from rows that other shards sent: what their `stored_rows` gave."""
    if rows.size:
        words = table._device.words(stored.view(table.dtype), table.dtype)
        flat = out.reshape(-1, table.embedding_dim)
        table._device.kernels.gather_to(words, rows, bags, flat)


@in_standard_arithmetic
def pool(table: Store, rows: NDArray[Any], batch: Batch) -> NDArray[np.float32]:
    """The lookup of a batch whose rows are places in `rows`, as `stored_rows` gave them."""
    device = table._device
    out = empty_lookup(table, batch)
    words = device.words(rows.view(table.dtype), table.dtype)
    pool_words(device, words, batch.rows, batch, out.reshape(-1, table.embedding_dim))
    return out


def load_shard(manifest: Manifest, shard: Shard, device: DeviceName) -> EmbeddingTable:
    """A shard of a table that was saved in any number of shards."""
    manifest.expect(EmbeddingTable.__name__)
    table = EmbeddingTable.__new__(EmbeddingTable)
    restore_shard(table, manifest, shard, device)
    return table
