"""The steps of a table that is spread over ranks, each in one call or in two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.mpi.exchange import Exchange
from lowprec.mpi.lookup import begin_lookup
from lowprec.mpi.routes import Router
from lowprec.mpi.update import begin_update
from lowprec.mpi.wire import Wire
from lowprec.tables.embedding import EmbeddingTable
from lowprec.typing import Pooling

Result = TypeVar("Result")


class Pending(Generic[Result]):
    """A lookup or an update that has begun: rows or gradients travel between ranks."""

    def __init__(self, finish: Callable[[], Result]) -> None:
        self._finish: Callable[[], Result] | None = finish

    @property
    def finished(self) -> bool:
        """Whether `finish` was called."""
        return self._finish is None

    def finish(self) -> Result:
        """Wait for the other ranks, and do the rest.

        Returns
        -------
        ndarray or None
            As `ShardedTable.lookup` or `ShardedTable.update` does.

        Raises
        ------
        RuntimeError
            If it was called before.
        """
        if self._finish is None:
            raise RuntimeError("this was finished before")
        finish, self._finish = self._finish, None
        return finish()


class Steps:
    """Lookups and updates of the bags of all ranks; `ShardedTable` does the rest."""

    table: EmbeddingTable
    wire: Wire
    _exchange: Exchange
    _router: Router
    _pending: Pending[Any] | None = None

    def lookup(
        self,
        indices: ArrayLike,
        offsets: ArrayLike | None = None,
        pooling: Pooling = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
    ) -> NDArray[np.float32]:
        """Read the embeddings of this rank's bags.

        Parameters
        ----------
        indices, offsets, pooling, per_sample_weights, across_features
            As for `EmbeddingTable.lookup`, of this rank's part of the batch, which may be empty.

        Returns
        -------
        ndarray of float32
            As of `EmbeddingTable.lookup`, for this rank's part of the batch.

        Raises
        ------
        IndexError, TypeError, ValueError
            On all ranks, if the arguments of one are invalid: names the rank.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> from mpi4py import MPI
        >>> table = lp.mpi.ShardedTable(MPI.COMM_WORLD, 100, embedding_dim=4)
        >>> table.lookup(np.array([3, 1, 3]), offsets=np.array([0, 2, 3])).shape
        (2, 4)
        """
        return self.begin_lookup(
            indices, offsets, pooling, per_sample_weights, across_features=across_features
        ).finish()

    def update(
        self,
        indices: ArrayLike,
        grad: NDArray[np.float32],
        offsets: ArrayLike | None = None,
        pooling: Pooling = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
    ) -> None:
        """Take one optimizer step on the rows of the batch of all ranks.

        Parameters
        ----------
        indices, offsets, pooling, per_sample_weights, across_features
            As for `lookup`.  `pooling`, and whether there are weights, are the same on all ranks
            that have ids.
        grad : array_like
            The gradient of the loss of the whole batch with respect to what `lookup` returned
            here, of its shape.

        Raises
        ------
        IndexError, TypeError, ValueError, FloatingPointError
            As for `EmbeddingTable.update`, on all ranks; a FloatingPointError, too, if a gradient
            is beyond float16 where that is the `wire`.  Nothing was changed then.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> from mpi4py import MPI
        >>> table = lp.mpi.ShardedTable(MPI.COMM_WORLD, 100, embedding_dim=4)
        >>> table.update(np.array([3, 1, 3]), grad=np.ones((3, 4), np.float32))
        >>> table.step
        1
        """
        self.begin_update(
            indices, grad, offsets, pooling, per_sample_weights, across_features=across_features
        ).finish()

    def begin_lookup(
        self,
        indices: ArrayLike,
        offsets: ArrayLike | None = None,
        pooling: Pooling = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
    ) -> Pending[NDArray[np.float32]]:
        """Begin a `lookup`: what others answer is on its way while you compute.

        Parameters
        ----------
        indices, offsets, pooling, per_sample_weights, across_features
            As for `lookup`.

        Returns
        -------
        Pending
            Its `finish()` returns what `lookup` does.  All ranks call it in the same order; until
            then, the table can do nothing else.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `lookup`.
        RuntimeError
            If what has begun before is not finished.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> from mpi4py import MPI
        >>> table = lp.mpi.ShardedTable(MPI.COMM_WORLD, 100, embedding_dim=4)
        >>> pending = table.begin_lookup(np.array([3, 1, 3]))
        >>> hidden = np.ones((3, 8)) @ np.ones((8, 4))  # dense layers, at the same time
        >>> pending.finish().shape
        (3, 4)
        """
        self._check_idle()
        given = indices, offsets, pooling, per_sample_weights, across_features
        return self._begin(begin_lookup(self._exchange, self.table, self._router, given))

    def begin_update(
        self,
        indices: ArrayLike,
        grad: NDArray[np.float32],
        offsets: ArrayLike | None = None,
        pooling: Pooling = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
    ) -> Pending[None]:
        """Begin an `update`: gradients are on their way to the owners of rows while you compute.

        Parameters
        ----------
        indices, grad, offsets, pooling, per_sample_weights, across_features
            As for `update`; they may be changed as soon as this returns.

        Returns
        -------
        Pending
            Its `finish()` takes the step.  All ranks call it in the same order; until then, the
            table can do nothing else.

        Raises
        ------
        IndexError, TypeError, ValueError, FloatingPointError
            As for `update`; `finish` raises the errors that only owners find.
        RuntimeError
            If what has begun before is not finished.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> from mpi4py import MPI
        >>> table = lp.mpi.ShardedTable(MPI.COMM_WORLD, 100, embedding_dim=4)
        >>> pending = table.begin_update(np.array([3, 1, 3]), grad=np.ones((3, 4), np.float32))
        >>> pending.finish()
        >>> table.table.step
        1
        """
        self._check_idle()
        given = indices, offsets, pooling, per_sample_weights, across_features
        finish = begin_update(self._exchange, self.table, self._router, given, grad, self.wire)
        return self._begin(finish)

    def _begin(self, finish: Callable[[], Result]) -> Pending[Result]:
        self._pending = Pending(finish)
        return self._pending

    def _check_idle(self) -> None:
        if self._pending is not None and not self._pending.finished:
            raise RuntimeError("finish() what has begun before")
