"""Whether all ranks have shards of one table."""

from __future__ import annotations

import json
import zlib

import numpy as np

from lowprec.batches.features import MAX_ROWS
from lowprec.device import get_device
from lowprec.mpi.communicator import MpiCommunicator
from lowprec.mpi.exchange import Exchange
from lowprec.mpi.routes import rows_per_rank
from lowprec.tables import sharing
from lowprec.tables.embedding import EmbeddingTable
from lowprec.tables.verbs import description_of


def check_alike(exchange: Exchange, table: EmbeddingTable, wire: str) -> None:
    """ValueError on all ranks unless they have shards of one table, at one step."""
    digests = exchange.agree(None, _digest(table, wire))[:, 0]
    others = np.flatnonzero(digests != digests[0])
    if others.size:
        raise ValueError(
            f"all ranks must be given the same table and wire; rank {others[0]} was given others "
            "than rank 0"
        )
    if rows_per_rank(sharing.num_rows(table), exchange.size) * exchange.size > MAX_ROWS:
        raise ValueError(f"{exchange.size} ranks hold at most {MAX_ROWS - exchange.size} rows")


def check_carries(exchange: Exchange, device: str) -> None:
    """ValueError unless the communicator can send arrays of a device."""
    on_gpu = get_device(device).streams is not None
    if on_gpu and type(exchange.comm) is MpiCommunicator:
        raise ValueError(
            "device='cuda' needs a communicator that sends arrays of a GPU: pass "
            "lowprec.mpi.nccl.NcclCommunicator(comm)"
        )


def _digest(table: EmbeddingTable, wire: str) -> int:
    """A number that tables with equal arguments have in common, on all ranks."""
    try:
        description = description_of(table)
    except ValueError:  # a learning rate that is a function cannot be compared
        description = {"seed": table.seed, "dtype": table.dtype.name}
    for name in ("shard", "skipped_rows", "touched", "first_optimizer"):
        description.pop(name, None)
    return zlib.crc32(json.dumps([description, wire], sort_keys=True).encode())
