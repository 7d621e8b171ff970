"""The embedding table: low-precision weights, their optimizer state, and how both are trained."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lowprec import checkpoint
from lowprec.batch import Batch, Features
from lowprec.checkpoint import Checkpoint
from lowprec.checks import check_choice, check_flag, check_int, check_seed
from lowprec.contents import check_rows, check_values, in_pieces, last_of_equal_rows, write_rows
from lowprec.device import get_device
from lowprec.diagnose import PrecisionReport, no_rows, report_on, scattered, stepped_rows
from lowprec.interrupts import Uninterrupted
from lowprec.kernels.gradients import Gradients
from lowprec.kernels.keys import stream_key
from lowprec.keys import row_keys
from lowprec.optimizers import Optimizer, defaults, from_description, init_states
from lowprec.optimizers.base import check_optimizer, check_same_states, rule_of
from lowprec.rounding import storage_dtype
from lowprec.scalar.xorshift import (
    STREAM_INIT,
    STREAM_ROUND,
    STREAM_UPDATE,
    STREAM_WRITE,
)
from lowprec.schedules import check_rate
from lowprec.workspace import Fresh, Workspace

ROUNDINGS = ("stochastic", "nearest")
_KIND = "EmbeddingTable"
_WEIGHT, _STATE = "weight", "optimizer."  # names of arrays in a file
ON_NONFINITE = ("raise", "skip")
_MAX_COLUMNS = 2**28  # the largest table then has less than 2**63 bytes
_MAX_COUNT = 2**63  # of steps and skipped rows


class EmbeddingTable:
    """Embedding tables of one or many features, stored in low precision and trained in place.

    The tables of all features are one matrix, stacked; `row_offsets` says where each begins.  An
    update reads each touched row once, steps it in float32, rounds it once and stores it.

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
        How an updated weight is stored; float32 has nothing to round and takes either.
    optimizer : Optimizer, default SGD(learning_rate=0.1)
        The optimizer of all rows: `SGD`, `RowWiseAdagrad`, or one of your own.
    seed : int, default 0
        In [0, 2**64): the source of the initial weights and of stochastic rounding.
    device : {"cpu", "cuda"}, default "cpu"
        Where the table lives.  On ``"cuda"`` results are arrays of CuPy, and arguments may be
        arrays of the GPU, too.
    init_range : float, optional
        Initial weights are uniform in ``[-init_range, init_range]``, rounded to nearest; 0 gives
        zeros.  Default: ``1 / sqrt(rows of the feature)``, as in DLRM (Naumov et al. 2019).
    on_nonfinite : {"raise", "skip"}, default "raise"
        What an update does with a gradient that is not finite: raise and change nothing, or leave
        the rows that it reaches as they are and count them in `skipped_rows`.
    init : array_like of numbers, shape (rows, embedding_dim), optional
        Initial weights, such as pretrained ones, of all features one after the other; rounded to
        nearest, and saturated as `write` does.
    padding_idx : {None, -1}, optional
        With -1, negative ids are padding: they read as zeros, are no part of a bag's sum or mean,
        and are not updated.  Otherwise they are out of range.

    Attributes
    ----------
    num_embeddings, embedding_dim, dtype, rounding, optimizer, seed, device
        As given (`dtype` as a NumPy dtype).
    row_offsets : ndarray of int64, shape (features + 1,)
        Feature f has the rows ``row_offsets[f]:row_offsets[f + 1]``.
    weight, step, optimizer_state, nbytes, skipped_rows, trainable
        See the properties.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of what is listed above.
    RuntimeError
        If the device cannot be used.

    Notes
    -----
    The random bits of an update are a function of (seed, step, row, column), so results do not
    depend on the number of threads.  Gradients of equal rows are summed in float32 in the order of
    the batch, in pieces of 128 that are then summed in order.  `lookup` may be called from several
    Python threads at once; `update` may not run beside any other call on the same table.

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

    def __init__(
        self,
        num_embeddings: int | Sequence[int],
        embedding_dim: int,
        dtype: DTypeLike = "float16",
        rounding: str = "stochastic",
        optimizer: Optimizer | None = None,
        seed: int = 0,
        device: str = "cpu",
        *,
        init_range: float | None = None,
        on_nonfinite: str = "raise",
        init: ArrayLike | None = None,
        padding_idx: int | None = None,
    ) -> None:
        self._configure(
            num_embeddings, embedding_dim, dtype, rounding, optimizer, seed, device, on_nonfinite,
            padding_idx,
        )  # fmt: skip
        if init is not None and init_range is not None:
            raise ValueError("init gives the initial weights: leave out init_range")
        bounds = self._init_bounds(init_range)
        values = None
        if init is not None:
            values, _ = check_values(self._device, "init", init, self._shape, self.dtype)
        self._weight = self._device.empty(self._shape, self._device.held_as(self.dtype))
        self._state = init_states(self._device, self.optimizer, *self._shape)
        if values is None:
            self._initialize(bounds)
        else:
            self._write_all(values, "nearest")

    def _configure(
        self,
        num_embeddings: int | Sequence[int],
        embedding_dim: int,
        dtype: DTypeLike,
        rounding: str,
        optimizer: Optimizer | None,
        seed: int,
        device: str,
        on_nonfinite: str,
        padding_idx: int | None = None,
    ) -> None:
        """All but the weights and the optimizer's state."""
        self._features = Features.check(num_embeddings)
        self.num_embeddings = num_embeddings
        self.embedding_dim = check_int("embedding_dim", embedding_dim, low=1, high=_MAX_COLUMNS + 1)
        self.dtype = storage_dtype(dtype)
        self.rounding = check_choice("rounding", rounding, ROUNDINGS)
        given = defaults.TABLE if optimizer is None else optimizer
        self._optimizer = check_optimizer("optimizer", given)
        self.seed = check_seed(seed)
        self.on_nonfinite = check_choice("on_nonfinite", on_nonfinite, ON_NONFINITE)
        self._device = get_device(device)
        self.device = device
        self._shape = (self._features.num_rows, self.embedding_dim)
        if padding_idx is not None and check_int("padding_idx", padding_idx, low=-1) != -1:
            raise ValueError(f"padding_idx must be None or -1, got {padding_idx!r}")
        self.padding_idx = padding_idx
        self._trainable = True
        self._step = 0
        self._skipped_rows: Any = 0  # counted on the device
        self._workspace = Workspace(self._device)

    def _init_bounds(self, init_range: float | None) -> list[float]:
        if init_range is None:
            return [1.0 / math.sqrt(rows) for rows in self._features.num_embeddings]
        check_rate("init_range", init_range)
        return [float(init_range)] * len(self._features)

    def _initialize(self, bounds: list[float]) -> None:
        keys = row_keys(self._device, self.seed, STREAM_INIT)
        starts, stops = self.row_offsets[:-1], self.row_offsets[1:]
        for start, stop, bound in zip(starts, stops, bounds, strict=True):
            self._device.kernels.fill_uniform(self._words(), start, stop, np.float32(bound), keys)

    def __repr__(self) -> str:
        return (
            f"EmbeddingTable(num_embeddings={self.num_embeddings!r}, "
            f"embedding_dim={self.embedding_dim}, dtype={self.dtype.name!r}, "
            f"rounding={self.rounding!r}, optimizer={self.optimizer!r}, seed={self.seed}, "
            f"device={self.device!r})"
        )

    @property
    def row_offsets(self) -> NDArray[np.int64]:
        """Where each feature begins in `weight`, int64 (features + 1,).

        Feature f has the rows ``row_offsets[f]:row_offsets[f + 1]``.
        """
        return self._features.row_offsets

    @property
    def weight(self) -> NDArray[Any]:
        """The weights in the storage dtype, (rows, embedding_dim).

        A view, which may be written.  CuPy has no bfloat16 and no 8-bit floats, so on ``"cuda"``
        it is there for float32 and float16.
        """
        return self._weight.view(self.dtype)

    def _words(self) -> Any:
        """The weights as kernels take them."""
        return self._device.words(self._weight, self.dtype)

    def _arrays_of_rows(self) -> tuple[Any, ...]:
        """The weights and the optimizer's states as kernels take them."""
        return (self._words(), *self._state.values())

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer of all rows.

        Another one may be set that keeps the same states; ValueError otherwise.
        """
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Optimizer) -> None:
        check_same_states(self._optimizer, check_optimizer("optimizer", optimizer))
        self._optimizer = optimizer

    @property
    def step(self) -> int:
        """How many updates were done, those of batches without ids included."""
        return self._step

    @property
    def optimizer_state(self) -> dict[str, NDArray[Any]]:
        """The optimizer's arrays by name, on the table's device; empty where it keeps none."""
        return self._state

    @property
    def trainable(self) -> bool:
        """Whether `update` changes the weights and states; it counts the step in any case.

        May be set: False freezes a table, as one of pretrained embeddings.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._trainable = check_flag("trainable", trainable)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights and the optimizer state."""
        return self._weight.nbytes + sum(array.nbytes for array in self._state.values())

    @property
    def skipped_rows(self) -> int:
        """How many row updates were left out for a non-finite gradient, which was to be skipped."""
        return int(self._skipped_rows)

    def lookup(
        self,
        indices: ArrayLike | Batch,
        offsets: ArrayLike | None = None,
        pooling: str = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Read the embeddings of a batch.

        Parameters
        ----------
        indices : array_like of int32 or int64, or Batch
            Ids, local to their feature.  Without `offsets`, (B, F): one id for each feature; also
            (N,) if `num_embeddings` was one number.  With `offsets`, (n,): the ids of all bags.
            Or what `batch` made of a whole batch.
        offsets : array_like of int32 or int64, shape (B * F + 1,), optional
            Bag k, sample-major, is ``indices[offsets[k]:offsets[k + 1]]``.  An empty bag gives
            zeros.
        pooling : {"sum", "mean"}, default "sum"
            Of the ids of a bag; the mean is the (weighted) sum over the number of ids.
        per_sample_weights : array_like of float32, the shape of `indices`, optional
            Factors of the rows.
        across_features : bool, default False
            Pool the ids of all features of a sample, as a linear model does, instead of those of
            each feature apart.
        out : ndarray of float32, optional
            A C-contiguous array of the result's shape to write to.

        Returns
        -------
        ndarray of float32
            (B, F, embedding_dim); for a table given one number (N, embedding_dim), or
            (B, embedding_dim) with offsets; with `across_features` (B, embedding_dim).

        Raises
        ------
        IndexError
            If an id is out of range; names the feature, the position, the id and the limit.
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
        batch = self._as_batch(indices, offsets, pooling, per_sample_weights, across_features)
        result = self._check_out(out, batch)
        flat = self._device.xp.asarray(result).reshape(-1, self.embedding_dim)
        kernels = self._device.kernels
        if batch.offsets is None and not batch.sample_weights.size:
            kernels.gather(self._words(), batch.rows, flat)
            return result
        bounds, weights = batch.offsets, batch.sample_weights
        if bounds is None:
            bounds = self._device.xp.arange(batch.rows.size + 1, dtype=np.int64)
        kernels.pool(self._words(), batch.rows, bounds, weights, batch.mean, flat)
        return result

    def read(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Read rows of the stacked matrix, in every format and on every device.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            Row ``row_offsets[f] + id`` is that of an id of feature f.

        Returns
        -------
        ndarray of float32, shape (n, embedding_dim)
            On the table's device.

        Raises
        ------
        IndexError
            If a row is out of range; names the position, the row and the limit.
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
        found = check_rows(self._device, rows, self._shape[0])
        out = self._device.empty((found.size, self.embedding_dim), np.float32)
        if found.size:
            self._device.kernels.gather(self._words(), found, out)
        return out  # type: ignore[no-any-return]

    def write(self, rows: ArrayLike, values: ArrayLike, rounding: str = "nearest") -> int:
        """Store numbers in rows of the stacked matrix, in every format and on every device.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            As for `read`; of equal rows, the last one wins.
        values : array_like of numbers, shape (n, embedding_dim)
            float64 is rounded once, into the storage format.
        rounding : {"nearest", "stochastic"}, default "nearest"
            How: the random bits are those of a stream of their own, keyed by (seed, step, row,
            column).

        Returns
        -------
        int
            How many of the numbers stored were finite and beyond the largest finite one of the
            format, where they saturate.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `read`, and if `values` are no real numbers or of another shape; nothing is
            written then.

        Notes
        -----
        This is no step: `step` and the optimizer's states stay as they are.  inf and NaN are
        stored as `nearest_round` gives them.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(4, embedding_dim=2)
        >>> table.write([3, 1], [[0.5, 1e6], [1.0, 2.0]])
        1
        >>> table.read([3])
        array([[5.0000e-01, 6.5504e+04]], dtype=float32)
        """
        found = check_rows(self._device, rows, self._shape[0])
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
        keys = row_keys(self._device, self.seed, STREAM_WRITE)
        with Uninterrupted(), self._workspace.alone("this table is written"):
            write_rows(self._device, self._words(), found, numbers, keys, self._step, rounding)
        return saturated

    def _write_all(self, values: NDArray[np.float32], rounding: str) -> None:
        """`write` of all rows."""
        rows = self._device.xp.arange(self._shape[0], dtype=np.uint32)
        keys = row_keys(self._device, self.seed, STREAM_WRITE)
        write_rows(self._device, self._words(), rows, values, keys, self._step, rounding)

    def astype(self, dtype: DTypeLike, rounding: str = "nearest") -> EmbeddingTable:
        """A copy with the weights in another format.

        Parameters
        ----------
        dtype : str or dtype
            As for `EmbeddingTable`.
        rounding : {"nearest", "stochastic"}, default "nearest"
            How weights are rounded, and saturate: as `write` does.

        Returns
        -------
        EmbeddingTable
            On the same device, with the same optimizer, states, step, seed and `rounding`.

        Raises
        ------
        ValueError
            If `dtype` is no storage format, or `rounding` none of the two.

        Examples
        --------
        >>> import lowprec as lp
        >>> table = lp.EmbeddingTable(4, embedding_dim=2, dtype="float32")
        >>> table.astype("bfloat16").nbytes, table.nbytes
        (16, 32)
        """
        storage = storage_dtype(dtype)
        check_choice("rounding", rounding, ROUNDINGS)
        twin = self.to(self.device)
        twin.dtype = storage
        twin._weight = self._device.empty(self._shape, self._device.held_as(storage))
        keys, xp = row_keys(self._device, self.seed, STREAM_WRITE), self._device.xp
        for piece in in_pieces(self._shape[0]):
            rows = xp.arange(piece.start, piece.stop, dtype=np.uint32)
            values = self._device.empty((rows.size, self.embedding_dim), np.float32)
            self._device.kernels.gather(self._words(), rows, values)
            write_rows(self._device, twin._words(), rows, values, keys, self._step, rounding)
        return twin

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table to a safetensors file: weights, optimizer, step, seed.

        The weights are stored as they are (float16 as ``F16``), for any tool to read.  The file is
        written whole or not at all: one that was there stays until the new one is on disk.

        Parameters
        ----------
        path : path
            The file, in a folder that exists.

        Raises
        ------
        OSError
            If it cannot be written.
        ValueError
            If the learning rate is a function that is not of `lowprec.schedules`.

        Examples
        --------
        >>> import tempfile, numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(10, embedding_dim=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table.save(f"{folder}/t.safetensors")
        ...     again = lp.EmbeddingTable.load(f"{folder}/t.safetensors")
        >>> bool((again.weight == table.weight).all())
        True
        """
        checkpoint.write(path, _KIND, self._description(), self._arrays())

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        device: str = "cpu",
        *,
        mmap: bool = False,
        verify: bool = True,
    ) -> EmbeddingTable:
        """Read a table that was saved; it goes on from its step with the same bits.

        Parameters
        ----------
        path : path
            A file that `save` wrote.
        device : {"cpu", "cuda"}, default "cpu"
            Where the table shall live.
        mmap : bool, default False
            On the CPU: whether the weights are read from the file where they are looked at.
            Updates then change the table and not the file.
        verify : bool, default True
            Whether to compare checksums, for which the file is read as a whole.

        Returns
        -------
        EmbeddingTable

        Raises
        ------
        OSError
            If the file cannot be read.
        CheckpointError
            A ValueError: if it is no table of this version of the format, or is damaged.
        RuntimeError, ValueError
            If the device cannot be used, or is none.

        Examples
        --------
        >>> import tempfile, numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(10, embedding_dim=4)
        >>> table.update(np.array([3]), grad=np.ones((1, 4), np.float32))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table.save(f"{folder}/t.safetensors")
        ...     again = lp.EmbeddingTable.load(f"{folder}/t.safetensors")
        >>> again.step, bool((again.weight == table.weight).all())
        (1, True)
        """
        get_device(device)  # before a large file is read
        found = checkpoint.read(path, mmap=mmap, verify=verify)
        found.expect(_KIND)
        return cls._restore_alone(found, device)

    def _description(self) -> dict[str, Any]:
        """All but the arrays, as JSON has it."""
        sizes = self._features.num_embeddings.tolist()
        return {
            "num_embeddings": sizes[0] if self._features.single else sizes,
            "embedding_dim": self.embedding_dim,
            "dtype": self.dtype.name,
            "rounding": self.rounding,
            "optimizer": self.optimizer.describe(),
            "seed": self.seed,
            "on_nonfinite": self.on_nonfinite,
            "step": self._step,
            "skipped_rows": self.skipped_rows,
            "trainable": self._trainable,
            "padding_idx": self.padding_idx,
        }

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by their names in a file."""
        state = {
            f"{_STATE}{name}": self._device.to_host(array) for name, array in self._state.items()
        }
        return {_WEIGHT: self._device.to_host(self._weight).view(self.dtype), **state}

    @classmethod
    def _restore_alone(cls, found: Checkpoint, device: str) -> EmbeddingTable:
        """The table of a file that holds nothing else."""
        table = cls._restore(found, found.state, device)
        found.expect_arrays(table._arrays())
        return table

    @classmethod
    def _restore(cls, found: Checkpoint, description: Any, device: str) -> EmbeddingTable:
        """The table of a file; `description` is its own, or part of a model's."""
        table = cls.__new__(cls)
        with found.reading():
            table._configure(
                description["num_embeddings"],
                description["embedding_dim"],
                description["dtype"],
                description["rounding"],
                from_description(description["optimizer"]),
                description["seed"],
                device,
                description["on_nonfinite"],
                description.get("padding_idx"),  # which the first files do not have
            )
            table.trainable = description.get("trainable", True)
            for name in ("step", "skipped_rows"):
                count = check_int(name, description[name], low=0, high=_MAX_COUNT)
                setattr(table, f"_{name}", count)
        weight = found.array(_WEIGHT, table._shape, table.dtype)
        table._weight = table._device.asarray(weight.view(table._device.held_as(table.dtype)))
        table._state = {
            name: table._device.asarray(
                found.array(f"{_STATE}{name}", state.shape(*table._shape), np.dtype(np.float32))
            )
            for name, state in table.optimizer.states().items()
        }
        return table

    def to(self, device: str) -> EmbeddingTable:
        """A copy of this table on a device, which goes on from the same step with the same bits.

        Parameters
        ----------
        device : {"cpu", "cuda"}
            Where the copy shall live.

        Returns
        -------
        EmbeddingTable

        Raises
        ------
        RuntimeError, ValueError
            If the device cannot be used, or is none.

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
        twin = copy.copy(self)
        twin.device, twin._device = device, target
        held = target.held_as(self.dtype)
        twin._weight = target.empty(self._shape, held)
        twin._weight[...] = target.asarray(self._device.to_host(self._weight).view(held))
        twin._state = init_states(target, self.optimizer, *self._shape)
        for name, array in self._state.items():
            twin._state[name][...] = target.asarray(self._device.to_host(array))
        twin._skipped_rows = int(self._skipped_rows)
        twin._workspace = Workspace(target)
        return twin

    def batch(
        self,
        indices: ArrayLike,
        offsets: ArrayLike | None = None,
        pooling: str = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
    ) -> Batch:
        """Check a batch once, to look it up and to update it.

        Parameters
        ----------
        indices, offsets, pooling, per_sample_weights, across_features
            As for `lookup`.

        Returns
        -------
        Batch
            What `lookup` and `update` of this table take in place of `indices`; the other
            arguments that say what the batch is are then left out.

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
        made = self._as_batch(indices, offsets, pooling, per_sample_weights, across_features)
        if made is indices:
            return made
        # what was checked must not change any more
        bounds = None if made.offsets is None else made.offsets.copy()
        return replace(made, offsets=bounds, sample_weights=made.sample_weights.copy())

    def _as_batch(
        self,
        indices: ArrayLike | Batch,
        offsets: Any,
        pooling: str,
        per_sample_weights: Any,
        across_features: bool,
        *,
        checked: bool = False,
    ) -> Batch:
        if not isinstance(indices, Batch):
            ids = self._device.asarray(indices, "indices")
            return self._features.batch(
                self._device, ids, offsets, pooling, per_sample_weights, across_features,
                checked=checked, padding=self.padding_idx is not None,
            )  # fmt: skip
        given = offsets is not None or per_sample_weights is not None
        if given or pooling != "sum" or across_features:
            raise ValueError(
                "a Batch says itself what offsets, pooling, per_sample_weights and "
                "across_features are: leave them out"
            )
        if indices.features is not self._features:
            raise ValueError("this Batch was made by another table")
        return indices

    def update(
        self,
        indices: ArrayLike | Batch,
        grad: NDArray[np.float32],
        offsets: ArrayLike | None = None,
        pooling: str = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
    ) -> None:
        """Take one optimizer step on the rows of a batch.

        Parameters
        ----------
        indices, offsets, pooling, per_sample_weights, across_features
            The batch, as for `lookup`.  A batch with no ids is legal and counts as a step.
        grad : ndarray of float32
            The gradient of the loss with respect to what `lookup` returned, of its shape.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `lookup`, and if `grad` has the wrong dtype or shape.
        FloatingPointError
            If a gradient is not finite, or a row's sum of them is so large that its step might not
            be, and ``on_nonfinite="raise"``.  In every case nothing was changed.

        Notes
        -----
        One step on each row that the batch holds: its gradients are summed in float32, the
        optimizer's rule is computed in float32, and the row is rounded once and stored.

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
        batch = self._as_batch(indices, offsets, pooling, per_sample_weights, across_features)
        self._update(batch, grad)

    def _update(self, batch: Batch, grad: Any, halted: Any = None) -> None:
        """`update`, which raises at once; or, given what may have halted training, notes it there.

        The host then waits for nothing.  Nothing is written once training is `halted` (1,).
        """
        flat_grad = self._check_grad(grad, (*batch.shape, self.embedding_dim))
        rule = rule_of(self.optimizer, self._step)
        with Uninterrupted(), self._workspace.alone("this table is updated"):
            if batch.rows.size and self._trainable:
                self._update_rows(batch, flat_grad, rule, halted)
            self._step += 1

    def _update_rows(
        self,
        batch: Batch,
        grad: NDArray[np.float32],
        rule: Any,
        halted: Any,
    ) -> None:
        kernels, memory = self._device.kernels, self._workspace
        runs, gradients = self._group(batch, grad, memory)
        refuse = self.on_nonfinite == "raise"
        limit = self._largest_gradient(rule)
        verdict = self._judge(runs, gradients, limit, refuse, halted, memory)
        keys = row_keys(self._device, self.seed, STREAM_UPDATE)
        self._skipped_rows += kernels.update_rows(
            rule, self._arrays_of_rows(), runs, gradients, keys, np.uint64(self._step),
            self.rounding == "stochastic", limit, verdict, memory,
        )  # fmt: skip

    def _largest_gradient(self, rule: Any) -> np.float32:
        """The most that a number of a row's gradient may be for a rule."""
        return np.float32(self.optimizer.largest_gradient(rule, self.embedding_dim))

    def _group(
        self, batch: Batch, grad: NDArray[np.float32], memory: Fresh, kept: Any = None
    ) -> tuple[Any, Gradients]:
        """The positions of a batch by row, or some of them, and what they add to its gradient."""
        coefficients, none = self._apart(batch.coefficients()), batch.bags[:0]
        rows = batch.rows
        labels, bags = batch.bags, none
        if coefficients.size:  # found by position, so that is what must be sorted along
            labels, bags = none, batch.bags
        if kept is not None:
            rows, labels = rows[kept], labels[kept] if labels.size else kept.astype(np.uint32)
        gradients, kernels = Gradients(grad, bags, coefficients), self._device.kernels
        runs = kernels.group_by_row(
            rows, labels, self._features.num_rows, self.embedding_dim, memory
        )
        kernels.sum_pieces(runs, gradients)
        return runs, gradients

    def _judge(
        self, runs: Any, gradients: Gradients, limit: np.float32, refuse: bool,
        halted: Any, memory: Fresh,
    ) -> Any:  # fmt: skip
        """Whether the steps are finite; raises if they are to be refused at once."""
        kernels = self._device.kernels
        verdict = kernels.check_steps(runs, gradients, limit, refuse, halted, memory)
        if refuse and halted is None and verdict.refused:
            self._raise_nonfinite(gradients.grad, verdict.bad_rows)
        return verdict

    def diagnose(
        self,
        indices: ArrayLike | Batch,
        grad: NDArray[np.float32],
        offsets: ArrayLike | None = None,
        pooling: str = "sum",
        per_sample_weights: ArrayLike | None = None,
        *,
        across_features: bool = False,
        max_numbers: int | None = None,
    ) -> PrecisionReport:
        """Tell what low precision makes of the next `update` with these arguments.

        Nothing is changed.

        Parameters
        ----------
        indices, grad, offsets, pooling, per_sample_weights, across_features
            As for `update`.
        max_numbers : int, optional
            Look at about so many numbers at most: at every k-th row of the table, with k as large
            as that takes.  Which ones is a function of the step.  Default: at all of the batch.

        Returns
        -------
        PrecisionReport
            Of the very numbers that the update would store.

        Raises
        ------
        IndexError, TypeError, ValueError, FloatingPointError
            As for `update`.

        Notes
        -----
        Rows are read and gradients summed on the table's device; the counting is done on the CPU,
        by one thread, in all formats, which takes longer than an update.

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
        batch = self._as_batch(indices, offsets, pooling, per_sample_weights, across_features)
        if max_numbers is not None:
            check_int("max_numbers", max_numbers, low=1)
        flat_grad = self._check_grad(grad, (*batch.shape, self.embedding_dim))
        return self._diagnose(batch, flat_grad, max_numbers, self.on_nonfinite == "raise")

    def _diagnose(
        self, batch: Batch, grad: NDArray[np.float32], max_numbers: int | None, refuse: bool
    ) -> PrecisionReport:
        """`diagnose` of checked arguments; rows without a finite step are counted or refused."""
        rule = rule_of(self.optimizer, self._step)
        limit = self._largest_gradient(rule)
        kept, rows = None, batch.rows
        numbers = min(rows.size, self._features.num_rows) * self.embedding_dim
        if max_numbers is not None and numbers > max_numbers:
            every = -(-numbers // max_numbers)
            kept = self._device.xp.flatnonzero(rows % every == scattered(self._step) % every)
            rows = rows[kept]
        stepped = no_rows([array.shape[1] for array in self._arrays_of_rows()])
        if rows.size:
            memory = Fresh(self._device)
            runs, gradients = self._group(batch, grad, memory, kept)
            if refuse:
                self._judge(runs, gradients, limit, refuse, None, memory)
            stepped = stepped_rows(self._device, self._arrays_of_rows(), runs, gradients)
        keys = row_keys(get_device("cpu"), self.seed, STREAM_UPDATE)
        return report_on(
            self.dtype.name, self.rounding, *stepped, rule, limit, keys, np.uint64(self._step)
        )

    def _halve(self, seeds: Iterator[int]) -> None:
        """Halve all weights, which is exact but for subnormal ones; a seed for each piece."""
        kernels, xp = self._device.kernels, self._device.xp
        for piece in in_pieces(len(self._weight)):
            part = self._weight[piece]
            words = self._device.words(part, self.dtype)
            values = xp.empty(part.shape, np.float32)
            kernels.gather(words, xp.arange(len(part), dtype=np.uint32), values)
            values *= np.float32(0.5)
            flat, out = values.reshape(-1), self._device.words(part.reshape(-1), self.dtype)
            if self.rounding == "nearest":
                kernels.round_nearest(flat, out)
            else:
                kernels.round_stochastic(flat, stream_key(next(seeds), STREAM_ROUND, 0), out)

    def _raise_nonfinite(self, grad: NDArray[np.float32], bad_rows: int) -> None:
        grad = self._device.to_host(grad)
        bad = np.argwhere(~np.isfinite(grad))
        if len(bad):
            bag, column = bad[0]
            feature, sample = bag % len(self._features), bag // len(self._features)
            raise FloatingPointError(
                f"grad of sample {sample}, feature {feature}, column {column} is "
                f"{grad[bag, column]}; nothing was updated"
            )
        raise FloatingPointError(
            f"the gradients of {bad_rows} rows overflow float32 when summed, or in a step of "
            f"{self.optimizer!r}; nothing was updated"
        )

    def _apart(self, array: NDArray[Any]) -> NDArray[Any]:
        """What an update reads: a copy if it is part of the weights, which are then written."""
        return array.copy() if self._device.xp.may_share_memory(array, self._weight) else array

    def _check_out(self, out: NDArray[np.float32] | None, batch: Batch) -> NDArray[np.float32]:
        xp, shape = self._device.xp, (*batch.shape, self.embedding_dim)
        if out is None:
            return xp.empty(shape, np.float32)  # type: ignore[no-any-return]
        is_array = isinstance(out, xp.ndarray) and not hasattr(out, "mask")
        if not is_array or out.dtype != np.float32:
            raise TypeError(
                f"out must be a float32 array of {xp.__name__}, got {getattr(out, 'dtype', out)!r}"
            )
        # CuPy's are always writable and aligned
        fits = all(getattr(out.flags, name, True) for name in ("writeable", "aligned"))
        if out.shape != shape or not out.flags.c_contiguous or not fits:
            raise ValueError(f"out must be writable, aligned, C-contiguous and of shape {shape}")
        for read in (self._weight, batch.offsets, batch.sample_weights):
            if read is not None and xp.may_share_memory(out, read):
                raise ValueError("out shares memory with the table or the batch")
        return out

    def _check_grad(self, grad: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
        values = self._device.check_float32("grad", grad)
        if values.shape != shape:
            raise ValueError(f"grad must have the shape of the lookup, {shape}, got {values.shape}")
        return self._apart(values.reshape(-1, self.embedding_dim))
