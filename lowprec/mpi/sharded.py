"""A table that is spread over the ranks of an MPI job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from lowprec.checks import check_choice
from lowprec.mpi import folders
from lowprec.mpi.alike import check_alike, check_carries
from lowprec.mpi.exchange import Exchange
from lowprec.mpi.gather import gather
from lowprec.mpi.routes import Router
from lowprec.mpi.steps import Steps
from lowprec.mpi.wire import WIRES, Wire
from lowprec.optimizers import Optimizer
from lowprec.tables.embedding import EmbeddingTable
from lowprec.tables.shard import Shard
from lowprec.typing import DeviceName, OnNonfinite, Rounding, Storage


class ShardedTable(Steps):
    """An embedding table whose rows are spread over the ranks of an MPI job.

    Row r of the stacked table is held by rank ``r % size``.  Every rank gives its own bags to
    `lookup` and `update`; the bags of all ranks, in the order of the ranks, are the batch.  The
    weights and states are, bit for bit, those of an `EmbeddingTable` in one process, for any
    number of ranks.

    All ranks call each method together.  If one rank's arguments are invalid, all ranks raise its
    error, and nothing is changed.

    Parameters
    ----------
    comm : communicator of mpi4py
        Such as ``MPI.COMM_WORLD``; or an object with the calls of
        ``lowprec.mpi.communicator.Communicator``.
    num_embeddings, embedding_dim, dtype, rounding, optimizer, seed
        As for `EmbeddingTable`, the same on all ranks; rows are those of the whole table.
    wire : {"float32", "float16"}, default "float32"
        How gradients travel.  ``"float16"`` sends half the bytes, rounded stochastically by random
        bits that are a function of (seed, step, bag, column).  Rows always travel as they are
        stored.
    init_range, on_nonfinite, padding_idx
        As for `EmbeddingTable`.
    device : {"cpu", "cuda"}, default "cpu"
        With ``"cuda"``, the shard is on CuPy's current GPU, and `comm` is a `NcclCommunicator`.
    path : path, optional
        On the CPU: a folder with the file of each rank's shard, as `EmbeddingTable` keeps tables in
        files.  A missing one is created; the files of another number of ranks are a ValueError.

    Attributes
    ----------
    table : EmbeddingTable
        The shard of this rank, with its `weight` and `optimizer_state`.
    wire : str
    bytes_sent : int
        What this rank has sent to other ranks so far.
    step : int
        How many updates were done.

    Raises
    ------
    ImportError
        If mpi4py is missing.
    TypeError, ValueError
        As for `EmbeddingTable`, and if ranks were given different arguments, or there are more
        ranks than rows.

    Notes
    -----
    A lookup asks for each distinct row of the rank's bags once and pools where the bag is.  An
    update sends the gradient of each bag once to each rank that has a row of it; the owner adds
    gradients in the order of the batch.

    Examples
    --------
    This runs with one rank as it does with many, by ``mpiexec -n 4 python -m mpi4py train.py``:

    >>> import numpy as np, lowprec as lp
    >>> from mpi4py import MPI
    >>> table = lp.mpi.ShardedTable(MPI.COMM_WORLD, [1000, 50], embedding_dim=4)
    >>> indices = np.array([[3, 7], [999, 7]])  # of this rank: two samples, two features
    >>> out = table.lookup(indices)
    >>> table.update(indices, grad=np.ones_like(out))
    >>> table.step
    1
    """

    def __init__(
        self,
        comm: Any,
        num_embeddings: int | Sequence[int],
        embedding_dim: int,
        dtype: Storage = "float16",
        rounding: Rounding = "stochastic",
        optimizer: Optimizer | None = None,
        seed: int = 0,
        *,
        wire: Wire = "float32",
        init_range: float | None = None,
        on_nonfinite: OnNonfinite = "raise",
        padding_idx: int | None = None,
        device: DeviceName = "cpu",
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        exchange = Exchange(comm)

        def make() -> EmbeddingTable:
            check_choice("wire", wire, WIRES)
            check_carries(exchange, device)
            file = None if path is None else folders.file_of_rank(path, exchange)
            return EmbeddingTable(
                num_embeddings, embedding_dim, dtype, rounding, optimizer, seed, device,
                init_range=init_range, on_nonfinite=on_nonfinite, padding_idx=padding_idx,
                path=file, shard=Shard(exchange.rank, exchange.size),
            )  # fmt: skip

        self._take(exchange, exchange.agreed(make), wire)

    def _take(self, exchange: Exchange, table: EmbeddingTable, wire: Wire) -> None:
        """Be the table of these shards; ValueError on all ranks unless they belong together."""
        check_alike(exchange, table, wire)
        self.table, self.wire, self._exchange = table, wire, exchange
        self._router = Router(exchange, table)

    def __repr__(self) -> str:
        return (
            f"ShardedTable({self.table!r}, wire={self.wire!r}, "
            f"rank {self._exchange.rank} of {self._exchange.size})"
        )

    @property
    def step(self) -> int:
        """How many updates were done."""
        return self.table.step

    @property
    def bytes_sent(self) -> int:
        """How many bytes this rank has sent to other ranks."""
        return self._exchange.bytes_sent

    def gather(self) -> NDArray[Any] | None:
        """The weights of the whole table, on rank 0.

        Returns
        -------
        ndarray or None
            (rows, embedding_dim) in the storage dtype on rank 0, and None on all others.

        Raises
        ------
        MemoryError
            On all ranks, if rank 0 has no room for it.

        Examples
        --------
        >>> import lowprec as lp
        >>> from mpi4py import MPI
        >>> lp.mpi.ShardedTable(MPI.COMM_WORLD, 100, embedding_dim=4).gather().shape
        (100, 4)
        """
        self._check_idle()
        return gather(self._exchange, self.table)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the table to a folder: a file of each rank, and a manifest that is written last.

        The files of an earlier save are valid until the manifest is replaced, and are then
        removed.  `lowprec.mpi.load` goes on with any number of ranks; `EmbeddingTable.load` reads
        the folder as one table.

        Parameters
        ----------
        folder : path
            The same for all ranks, on a file system that all share; it is made if it is missing.

        Raises
        ------
        OSError, ValueError
            On all ranks, if one cannot write its file, or the table is in files with a `path`.
            What was there before stays.

        Examples
        --------
        >>> import tempfile, lowprec as lp
        >>> from mpi4py import MPI
        >>> table = lp.mpi.ShardedTable(MPI.COMM_WORLD, 100, embedding_dim=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table.save(folder)
        ...     lp.EmbeddingTable.load(folder).weight.shape
        (100, 4)
        """
        self._check_idle()
        self._exchange.agree(_why_not_saved(self.table))
        folders.save(self._exchange, self.table, folder, {"wire": self.wire})


def _why_not_saved(table: EmbeddingTable) -> Exception | None:
    if table.path is None:
        return None
    return ValueError("a table in files is not saved to others: table.table.flush() completes them")
