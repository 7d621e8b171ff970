"""The embedding table: low-precision weights, their optimizer state, and how both are trained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.batch import Batch
from lowprec.checks import check_choice, check_int
from lowprec.device import get_device
from lowprec.formats.entries import storage_dtype
from lowprec.interrupts import Uninterrupted
from lowprec.optimizers import Optimizer
from lowprec.roundoff.report import RoundoffReport
from lowprec.scalar.xorshift import STREAM_WRITE
from lowprec.tables.contents import check_rows, check_values, last_of_equal_rows, write_rows
from lowprec.tables.copying import copy_as, copy_to
from lowprec.tables.diagnosis import diagnose
from lowprec.tables.initial import begin, bounds_of_features
from lowprec.tables.keys import row_keys
from lowprec.tables.lookup import as_batch, look_up
from lowprec.tables.mapped import TableFile
from lowprec.tables.reset import check_keys, reset_rows
from lowprec.tables.rows import as_a_whole, at_hand
from lowprec.tables.saving import SavedTable
from lowprec.tables.shard import Shard
from lowprec.tables.states import fit_states
from lowprec.tables.store import ROUNDINGS
from lowprec.tables.update import check_grad, update
from lowprec.typing import DeviceName, OnNonfinite, Pooling, Rounding, Storage


class EmbeddingTable(SavedTable):
    """Embedding tables of one or more features, stored in low precision and trained in place.

    The tables of all features are stacked into one matrix; feature f begins at row
    ``row_offsets[f]``.  An update reads each row of the batch once, computes its step in float32,
    rounds it once and stores it.

    Parameters
    ----------
    num_embeddings : int or sequence of int
        Rows of the table, or of each feature's table.
    embedding_dim : int
        Columns.
    dtype : str or dtype, default "float16"
        How weights are stored: ``"float32"``, ``"float16"``, ``"bfloat16"``, ``"float8_e4m3fn"``,
        ``"float8_e5m2"`` or ``"float8_e3m4"``.
    rounding : {"stochastic", "nearest"}, default "stochastic"
        How updated weights are rounded. float32 needs no rounding and accepts both.
    optimizer : Optimizer, default SGD(learning_rate=0.1)
        The optimizer of all rows: one of lowprec's, or your own.
    seed : int, default 0
        In [0, 2**64); determines the initial weights and the random bits of rounding.
    device : {"cpu", "cuda"}, default "cpu"
        Where the table is stored.  On ``"cuda"``, results are CuPy arrays, as arguments may be.
    init_range : float, optional
        Initial weights are uniform in ``[-init_range, init_range]``, rounded to nearest; 0 gives
        zeros.  Default: ``1 / sqrt(rows of the feature)``, as in DLRM (Naumov et al. 2019); 0 with
        `FTRL`.
    on_nonfinite : {"raise", "skip"}, default "raise"
        What an update does if a gradient is not finite: raise an error and change nothing, or leave
        the affected rows unchanged and count them in `skipped_rows`.
    init : array_like of numbers, shape (rows, embedding_dim), optional
        Initial weights of all features, stacked; rounded to nearest and saturated, as in `write`.
    padding_idx : {None, -1}, optional
        With -1, negative ids are padding: they read as zeros, do not count in a bag's sum or mean,
        and are not updated.  By default they are out of range.
    path : path, optional
        On the CPU: the file of a table that may be larger than memory.  A missing file is created,
        an existing one opened, with the same arguments; only `init` may be omitted.
    shard : Shard, optional
        Make only this shard's rows of the table; ids and random bits stay those of the whole.

    Attributes
    ----------
    num_embeddings, embedding_dim, dtype, rounding, optimizer, seed, device, shard
        As given (`dtype` as a NumPy dtype).
    row_offsets : ndarray of int64, shape (features + 1,)
        Feature f has the rows ``row_offsets[f]:row_offsets[f + 1]``.
    weight, step, optimizer_state, nbytes, zeros, skipped_rows, trainable
        See the properties.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.
    RuntimeError
        If the device cannot be used.
    OSError, CheckpointError
        If the file cannot be used, is already open, or is corrupted.

    Notes
    -----
    The random bits of an update are a function of (seed, step, row, column), so results do not
    depend on the number of threads.  Gradients of equal rows are summed in float32 in the order of
    the batch, in pieces of 128 that are then summed in order.  Several Python threads may call
    `lookup` at once.  While `update` runs, no other thread may use the table, except for `save`,
    `to`, `astype`, copies and pickles: these wait for the current update, and updates wait for
    them.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> table = lp.EmbeddingTable([10, 5], embedding_dim=4, optimizer=lp.SGD(learning_rate=0.5))
    >>> indices = np.array([[9, 0], [9, 4]])  # two samples, one id for each of two features
    >>> table.lookup(indices).shape
    (2, 2, 4)
    >>> table.weight[:] = 1.0
    >>> table.update(indices, grad=np.ones((2, 2, 4), np.float32))
    >>> table.weight[9]  # both samples hold id 9 of feature 0: 1 - 0.5 * (1 + 1)
    array([0., 0., 0., 0.], dtype=float16)
    """

    @in_standard_arithmetic
    def __init__(
        self,
        num_embeddings: int | Sequence[int],
        embedding_dim: int,
        dtype: Storage = "float16",
        rounding: Rounding = "stochastic",
        optimizer: Optimizer | None = None,
        seed: int = 0,
        device: DeviceName = "cpu",
        *,
        init_range: float | None = None,
        on_nonfinite: OnNonfinite = "raise",
        init: ArrayLike | None = None,
        padding_idx: int | None = None,
        path: str | os.PathLike[str] | None = None,
        shard: Shard | None = None,
    ) -> None:
        self._configure(
            num_embeddings, embedding_dim, dtype, rounding, optimizer, seed, device, on_nonfinite,
            padding_idx, shard,
        )  # fmt: skip
        if init is not None and init_range is not None:
            raise ValueError("init gives the initial weights: leave out init_range")
        bounds = bounds_of_features(self, init_range)
        self._init_range = None if init_range is None else float(init_range)
        if path is not None:
            self._file = TableFile(self, path, bounds, init)
        else:
            begin(self, bounds, init)

    def __repr__(self) -> str:
        return (
            f"EmbeddingTable(num_embeddings={self.num_embeddings!r}, "
            f"embedding_dim={self.embedding_dim}, dtype={self.dtype.name!r}, "
            f"rounding={self.rounding!r}, optimizer={self.optimizer!r}, seed={self.seed}, "
            f"device={self.device!r}{'' if self.path is None else f', path={self.path!r}'}"
            f"{'' if self.shard is None else f', shard={self.shard!r}'})"
        )

    def lookup(
        self,
        indices: ArrayLike | Batch,
        offsets: ArrayLike | None = None,
        pooling: Pooling = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Read the embeddings of a batch.

        Parameters
        ----------
        indices : array_like of integers, or Batch
            Ids, local to their feature.  Without `offsets`, the shape is (B, F), one id for each
            feature, or (N,) if `num_embeddings` is one number.  With `offsets`, it is (n,), the ids
            of all bags.  Or a batch that `batch` returned.
        offsets : array_like of integers, shape (B * F + 1,), optional
            Bag k, sample-major, is ``indices[offsets[k]:offsets[k + 1]]``.  An empty bag gives
            zeros.
        pooling : {"sum", "mean"}, default "sum"
            How the ids of a bag are combined.  The mean is the (weighted) sum divided by the number
            of ids.
        per_sample_weights : array_like of numbers, the shape of `indices`, optional
            Factors for the rows.
        across_features : bool, default False
            Pool the ids of all features of a sample together, as a linear model does, instead of
            those of each feature separately.
        out : ndarray of float32, optional
            A C-contiguous array of the result's shape to write to.

        Returns
        -------
        ndarray of float32
            (B, F, embedding_dim).  If `num_embeddings` is one number: (N, embedding_dim), or (B,
            embedding_dim) with offsets.  With `across_features`: (B, embedding_dim).

        Raises
        ------
        IndexError
            If an id is out of range or in another shard; names the position, the id and the limit.
        TypeError, ValueError
            If an array has the wrong dtype or shape, or `offsets` do not fit `indices`.

        Notes
        -----
        The rows of a bag are added in the order of `indices`, each as ``fma(weight, row, sum)`` in
        float32 from 0.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable([4, 3], embedding_dim=2)
        >>> table.weight[:] = np.arange(7)[:, None]  # row r holds r; feature 1 begins at row 4
        >>> table.lookup(np.array([[3, 0]]))
        array([[[3., 3.],
                [4., 4.]]], dtype=float32)

        Two samples with bags of two, no, no and one ids:

        >>> indices, offsets = np.array([1, 3, 2]), np.array([0, 2, 2, 2, 3])
        >>> table.lookup(indices, offsets)[:, :, 0]
        array([[4., 0.],
               [0., 6.]], dtype=float32)
        >>> table.lookup(indices, offsets, pooling="mean")[:, :, 0]
        array([[2., 0.],
               [0., 6.]], dtype=float32)
        """
        batch = as_batch(self, indices, offsets, pooling, per_sample_weights, across_features)
        return look_up(self, batch, out)

    def read(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Read rows of the stacked matrix, in every format and on every device.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            The row of an id of feature f is ``row_offsets[f] + id``.

        Returns
        -------
        ndarray of float32, shape (n, embedding_dim)
            On the table's device.

        Raises
        ------
        IndexError
            If a row is out of range.  The message names the position, the row and the limit.
        TypeError, ValueError
            If `rows` are not integers, or not 1-D.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable([2, 3], embedding_dim=2, init=np.arange(10).reshape(5, 2))
        >>> table.read(table.row_offsets[1] + np.array([0, 2]))  # ids 0 and 2 of feature 1
        array([[4., 5.],
               [8., 9.]], dtype=float32)
        """
        found = check_rows(self._device, rows, self._features.num_rows, self._shard)
        out = self._device.empty((found.size, self.embedding_dim), np.float32)
        if found.size:
            self._device.kernels.gather(*at_hand(self, found), out)
        return out  # type: ignore[no-any-return]

    def write(self, rows: ArrayLike, values: ArrayLike, rounding: Rounding = "nearest") -> int:
        """Store numbers in rows of the stacked matrix, in every format and on every device.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            As for `read`; of equal rows, the last one wins.
        values : array_like of numbers, shape (n, embedding_dim)
            float64 values are rounded only once, directly to the storage format.
        rounding : {"nearest", "stochastic"}, default "nearest"
            How to round.  Random bits come from a separate stream, keyed by (seed, step, row,
            column).

        Returns
        -------
        int
            How many of the stored numbers saturated: finite numbers out of the range of the format.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `read`, or if `values` are not real numbers or have another shape.  Nothing is
            written then.

        Notes
        -----
        `step` and the optimizer's states do not change, except for a state that determines the
        weight: ``"z"`` of `FTRL` is set to give the new weight. inf and NaN are stored as in
        `nearest_round`.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(4, embedding_dim=2)
        >>> table.write([3, 1], [[0.5, 1e6], [1.0, 2.0]])
        1
        >>> table.read([3])
        array([[5.0000e-01, 6.5504e+04]], dtype=float32)
        """
        found = check_rows(self._device, rows, self._features.num_rows, self._shard)
        check_choice("rounding", rounding, ROUNDINGS)
        given = self._device.asarray(values, "values")
        if found.size == 0 and given.size == 0:
            return 0
        shape = (found.size, self.embedding_dim)
        if given.shape == shape:  # of what is wrong otherwise, the check below speaks
            last = last_of_equal_rows(self._device, found)
            found, given = found[last], given[last]
            shape = given.shape
        numbers, saturated = check_values(self._device, "values", given, shape, self.dtype)
        keys = row_keys(self._device, self.seed, STREAM_WRITE, self._shard)
        self._check_writable()
        with (
            Uninterrupted(),
            self._workspace.alone("this table is written"),
            as_a_whole(self, found),
        ):
            write_rows(self._device, self._words(), found, numbers, keys, self._step, rounding)
            fit_states(self, found)
        return saturated

    def reset(self, rows: ArrayLike, keys: ArrayLike) -> None:
        """Reset rows of the stacked matrix for new keys.

        The rows get fresh weights and initial optimizer states.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            As for `read`; of equal rows, the last one wins.
        keys : array_like of int, shape (n,)
            The new key of each row, for example from `Vocabulary.admit`.  Keys are 64-bit numbers,
            so -1 equals 2**64 - 1.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `read`, or if `keys` are not integers, one for each row.  Nothing is changed
            then.

        Notes
        -----
        Weights are uniform in the same range as those of a new table (`init_range`), rounded to
        nearest.  They depend only on (seed, key, column): a key has the same fresh weights in every
        row, at every step, on every device.  `step` does not change.

        `FTRL` sets ``"z"`` so that it gives the new weight.  With ``decay="catch_up"``, earlier
        steps do not decay the new weight.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(4, embedding_dim=2, optimizer=lp.Adagrad(0.1))
        >>> table.update([3], np.ones((1, 2)))
        >>> table.reset([3, 1], keys=[2026, 7])
        >>> table.optimizer_state["sum"][3]
        array([0., 0.], dtype=float32)
        >>> before = table.read([3])
        >>> table.reset([2], keys=[2026])
        >>> bool((table.read([2]) == before).all())
        True
        """
        found = check_rows(self._device, rows, self._features.num_rows, self._shard)
        numbers = check_keys(self._device, keys, found.shape)
        self._check_writable()
        alone = self._workspace.alone("rows of this table are reset")
        with Uninterrupted(), alone, as_a_whole(self, found):
            reset_rows(self, found, numbers)

    def astype(self, dtype: Storage, rounding: Rounding = "nearest") -> EmbeddingTable:
        """A copy with the weights in another format.

        Parameters
        ----------
        dtype : str or dtype
            As for `EmbeddingTable`.
        rounding : {"nearest", "stochastic"}, default "nearest"
            How weights are rounded.  They saturate, as in `write`.

        Returns
        -------
        EmbeddingTable
            On the same device, with the same optimizer, states, step, seed and `rounding`.

        Raises
        ------
        ValueError
            If `dtype` is not a storage format, or `rounding` is invalid.

        Examples
        --------
        >>> import lowprec as lp
        >>> table = lp.EmbeddingTable(4, embedding_dim=2, dtype="float32")
        >>> table.astype("bfloat16").nbytes, table.nbytes
        (16, 32)
        """
        storage = storage_dtype(dtype)
        check_choice("rounding", rounding, ROUNDINGS)
        with self._unchanged("this table is copied"):
            return copy_as(self, storage, rounding)

    def to(self, device: DeviceName) -> EmbeddingTable:
        """A copy of this table on a device; training continues with the same bits.

        Parameters
        ----------
        device : {"cpu", "cuda"}
            Where to put the copy.

        Returns
        -------
        EmbeddingTable

        Raises
        ------
        RuntimeError, ValueError
            If the device cannot be used, or is invalid.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(10, embedding_dim=4)
        >>> twin = table.to("cpu")
        >>> for each in (table, twin):
        ...     each.update(np.array([3, 1]), grad=np.ones((2, 4), np.float32))
        >>> bool((table.weight == twin.weight).all())
        True
        """
        target = get_device(device)
        with self._unchanged("this table is copied"):
            return copy_to(self, target)

    def batch(
        self,
        indices: ArrayLike,
        offsets: ArrayLike | None = None,
        pooling: Pooling = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
    ) -> Batch:
        """Validate a batch once, for both `lookup` and `update`.

        Parameters
        ----------
        indices, offsets, pooling, per_sample_weights, across_features
            As for `lookup`.

        Returns
        -------
        Batch
            `lookup` and `update` of this table accept it in place of `indices` and the other
            arguments that describe the batch.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `lookup`.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(10, embedding_dim=4)
        >>> batch = table.batch(np.array([3, 1, 3]))
        >>> table.update(batch, grad=np.ones_like(table.lookup(batch)))
        """
        made = as_batch(self, indices, offsets, pooling, per_sample_weights, across_features)
        if made is indices:
            return made
        # what was checked must not change any more
        bounds = None if made.offsets is None else made.offsets.copy()
        return replace(made, offsets=bounds, id_weights=made.id_weights.copy())

    def update(
        self,
        indices: ArrayLike | Batch,
        grad: NDArray[np.float32],
        offsets: ArrayLike | None = None,
        pooling: Pooling = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
    ) -> None:
        """Take one optimizer step on the rows of a batch.

        Parameters
        ----------
        indices, offsets, pooling, per_sample_weights, across_features
            The batch, as for `lookup`.  A batch with no ids is legal and counts as a step.
        grad : array_like
            The gradient of the loss with respect to the result of `lookup`, with the same shape;
            converted to float32.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `lookup`, or if `grad` has the wrong shape, or exceeds the range of float32.
        FloatingPointError
            With ``on_nonfinite="raise"``: if a gradient is not finite, or the summed gradient of a
            row is so large that its step might not be finite.  After any error, nothing is changed.

        Notes
        -----
        For each row of the batch, gradients are summed in float32, the optimizer's rule is computed
        in float32, and the row is rounded once and stored.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(4, embedding_dim=2, optimizer=lp.SGD(0.25))
        >>> table.weight[:] = 1.0
        >>> indices = np.array([3, 1, 3])
        >>> out = table.lookup(indices)  # the loss is the sum of `out`: its gradient is ones
        >>> table.update(indices, grad=np.ones_like(out))
        >>> table.weight[:, 0], table.step
        (array([1.  , 0.75, 1.  , 0.5 ], dtype=float16), 1)
        """
        batch = as_batch(self, indices, offsets, pooling, per_sample_weights, across_features)
        update(self, batch, grad)

    def diagnose(
        self,
        indices: ArrayLike | Batch,
        grad: NDArray[np.float32],
        offsets: ArrayLike | None = None,
        pooling: Pooling = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
        max_numbers: int | None = None,
    ) -> RoundoffReport:
        """Report what low precision does to the next `update` with these arguments.

        Nothing is changed.

        Parameters
        ----------
        indices, grad, offsets, pooling, per_sample_weights, across_features
            As for `update`.
        max_numbers : int, optional
            Look at no more than about this many numbers: those of every k-th row of the table, with
            a sufficiently large k.  The choice of rows depends on the step.  Default: the whole
            batch.

        Returns
        -------
        RoundoffReport
            Of the exact numbers that the update would store.

        Raises
        ------
        IndexError, TypeError, ValueError, FloatingPointError
            As for `update`.

        Notes
        -----
        Rows are read and gradients summed on the table's device.  Counting in all formats uses one
        thread of the CPU, and takes longer than an update.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(4, embedding_dim=2, optimizer=lp.SGD(2**-14))
        >>> table.weight[:] = 1.0
        >>> indices = np.array([3, 1, 3])  # a step of 2**-14 for row 1, and of 2**-13 for row 3
        >>> report = table.diagnose(indices, grad=np.ones((3, 2), np.float32))
        >>> report.lost_share  # float16 is 2**-11 apart below 1
        1.0
        >>> report.of("float32").lost_share
        0.0
        """
        batch = as_batch(self, indices, offsets, pooling, per_sample_weights, across_features)
        if max_numbers is not None:
            check_int("max_numbers", max_numbers, low=1)
        flat_grad = check_grad(self, grad, (*batch.shape, self.embedding_dim))
        return diagnose(self, batch, flat_grad, max_numbers, self.on_nonfinite == "raise")
