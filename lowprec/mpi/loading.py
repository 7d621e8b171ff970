"""Tables that were saved, on any number of ranks."""

from __future__ import annotations

import os
from typing import Any

from lowprec.checks import check_choice
from lowprec.mpi import folders
from lowprec.mpi.alike import check_carries
from lowprec.mpi.exchange import Exchange
from lowprec.mpi.sharded import ShardedTable
from lowprec.mpi.wire import WIRES, Wire
from lowprec.tables.embedding import EmbeddingTable
from lowprec.typing import DeviceName


def load(
    folder: str | os.PathLike[str], comm: Any, *, wire: Wire | None = None, verify: bool = True,
    device: DeviceName = "cpu",
) -> ShardedTable:  # fmt: skip
    """Read a table that any number of ranks saved, or one `EmbeddingTable`; training goes on.

    Parameters
    ----------
    folder : path
        What `ShardedTable.save` wrote, or the file of an `EmbeddingTable`.
    comm : communicator of mpi4py
        As for `ShardedTable`; the number of ranks may be another one.
    wire : {"float32", "float16"}, optional
        As for `ShardedTable`.  Default: as it was saved, and ``"float32"`` for a file.
    verify : bool, default True
        Whether to compare the checksums of the files that a rank reads.
    device : {"cpu", "cuda"}, default "cpu"
        As for `ShardedTable`.

    Returns
    -------
    ShardedTable

    Raises
    ------
    OSError, CheckpointError, TypeError, ValueError
        On all ranks, if one cannot read its rows.

    Examples
    --------
    >>> import tempfile, lowprec as lp
    >>> from mpi4py import MPI
    >>> table = lp.mpi.ShardedTable(MPI.COMM_WORLD, 100, embedding_dim=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table.save(folder)
    ...     again = lp.mpi.load(folder, MPI.COMM_WORLD)
    >>> bool((again.gather() == table.gather()).all())
    True
    """
    exchange = Exchange(comm)

    def read() -> tuple[EmbeddingTable, Wire]:
        if wire is not None:
            check_choice("wire", wire, WIRES)
        check_carries(exchange, device)
        table, settings = folders.load(exchange, folder, verify, device)
        return table, wire or settings.get("wire", "float32")

    return _united(exchange, *exchange.agreed(read))


def united(comm: Any, table: EmbeddingTable) -> ShardedTable:
    """The table whose shards all ranks have; gradients travel as float32."""
    return _united(Exchange(comm), table, "float32")


def _united(exchange: Exchange, table: EmbeddingTable, wire: Wire) -> ShardedTable:
    found = ShardedTable.__new__(ShardedTable)
    found._take(exchange, table, wire)
    return found
