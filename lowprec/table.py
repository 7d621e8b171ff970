"""The embedding table: low-precision weights, their optimizer state, and how both are trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lowprec.batch import Features
from lowprec.checks import check_choice, check_float32, check_int, check_seed
from lowprec.device import get_device
from lowprec.optim import SGD
from lowprec.rounding import storage_dtype, word_dtype
from lowprec.scalar.xorshift import STREAM_INIT, STREAM_UPDATE, stream_key
from lowprec.workspace import Workspace, empty_aligned

ROUNDINGS = ("stochastic", "nearest")
ON_NONFINITE = ("raise", "skip")
_NUMBERS_TO_FIND_A_ROW = 32
_NUMBERS_TO_SORT_AN_ID = 4
_STREAMED_BYTES = 1 << 24
_NO_BAGS = np.empty(0, np.uint32)
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_FLOAT32_INF_BITS = 0x7F800000


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
        How weights are stored: ``"float32"``, ``"float16"``, ``"bfloat16"``, ``"float8_e4m3fn"``
        or ``"float8_e5m2"``.
    rounding : {"stochastic", "nearest"}, default "stochastic"
        How an updated weight is stored; float32 has nothing to round and takes either.
    optimizer : SGD, default SGD(learning_rate=0.1)
        The optimizer of all rows.
    seed : int, default 0
        In [0, 2**64): the source of the initial weights and of stochastic rounding.
    device : {"cpu"}, default "cpu"
        Where the table lives.
    init_range : float, optional
        Initial weights are uniform in ``[-init_range, init_range]``, rounded to nearest; 0 gives
        zeros.  Default: ``1 / sqrt(rows of the feature)``, as in DLRM (Naumov et al. 2019).
    on_nonfinite : {"raise", "skip"}, default "raise"
        What an update does with a gradient that is not finite: raise and change nothing, or leave
        the rows that it reaches as they are and count them in `skipped_rows`.

    Attributes
    ----------
    num_embeddings, embedding_dim, dtype, rounding, optimizer, seed, device
        As given (`dtype` as a NumPy dtype).
    row_offsets : ndarray of int64, shape (features + 1,)
        Feature f has the rows ``row_offsets[f]:row_offsets[f + 1]``.
    weight, step, optimizer_state, nbytes, skipped_rows
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
        optimizer: SGD | None = None,
        seed: int = 0,
        device: str = "cpu",
        *,
        init_range: float | None = None,
        on_nonfinite: str = "raise",
    ) -> None:
        self._features = Features.check(num_embeddings)
        self.num_embeddings = num_embeddings
        self.embedding_dim = check_int("embedding_dim", embedding_dim, low=1)
        self.dtype = storage_dtype(dtype)
        self.rounding = check_choice("rounding", rounding, ROUNDINGS)
        self.optimizer = SGD(learning_rate=0.1) if optimizer is None else optimizer
        if not isinstance(self.optimizer, SGD):
            raise TypeError(f"optimizer must be a lowprec.SGD, got {optimizer!r}")
        self.seed = check_seed(seed)
        self.on_nonfinite = check_choice("on_nonfinite", on_nonfinite, ON_NONFINITE)
        self._device = get_device(device)
        self.device = device
        bounds = self._init_bounds(init_range)
        shape = (self._features.num_rows, self.embedding_dim)
        self._words = empty_aligned(shape, word_dtype(self.dtype))
        self._state = self.optimizer.init_state(*shape)
        self._step = 0
        self._skipped_rows = 0
        self._workspace = Workspace()
        self._initialize(bounds)

    def _init_bounds(self, init_range: float | None) -> list[float]:
        if init_range is None:
            return [1.0 / math.sqrt(rows) for rows in self._features.num_embeddings]
        if not (math.isfinite(init_range) and init_range >= 0):
            raise ValueError(f"init_range must be finite and not negative, got {init_range!r}")
        return [float(init_range)] * len(self._features)

    def _initialize(self, bounds: list[float]) -> None:
        key = stream_key(self.seed, STREAM_INIT, 0)
        starts, stops = self.row_offsets[:-1], self.row_offsets[1:]
        for start, stop, bound in zip(starts, stops, bounds, strict=True):
            self._device.kernels.fill_uniform(self._words, start, stop, np.float32(bound), key)

    def __repr__(self) -> str:
        return (
            f"EmbeddingTable(num_embeddings={self.num_embeddings!r}, "
            f"embedding_dim={self.embedding_dim}, dtype={self.dtype.name!r}, "
            f"rounding={self.rounding!r}, optimizer={self.optimizer!r}, seed={self.seed}, "
            f"device={self.device!r})"
        )

    @property
    def row_offsets(self) -> NDArray[np.int64]:
        """Feature f has the rows ``row_offsets[f]:row_offsets[f + 1]`` of `weight`."""
        return self._features.row_offsets

    @property
    def weight(self) -> NDArray[Any]:
        """The weights (rows, embedding_dim) in the storage dtype: a view, which may be written."""
        return self._words.view(self.dtype)

    @property
    def step(self) -> int:
        """How many updates were done."""
        return self._step

    @property
    def optimizer_state(self) -> dict[str, NDArray[Any]]:
        """The optimizer's arrays by name; empty for SGD."""
        return self._state

    @property
    def nbytes(self) -> int:
        """Bytes of the weights and the optimizer state."""
        return self._words.nbytes + sum(array.nbytes for array in self._state.values())

    @property
    def skipped_rows(self) -> int:
        """How many row updates were left out for a non-finite gradient, which was to be skipped."""
        return self._skipped_rows

    def lookup(
        self,
        indices: ArrayLike,
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
        indices : array_like of int32 or int64
            Ids, local to their feature.  Without `offsets`, (B, F): one id for each feature; also
            (N,) if `num_embeddings` was one number.  With `offsets`, (n,): the ids of all bags.
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
        """
        with self._device.threads(self._work(indices)) as threads:
            return self._lookup(
                threads, out, indices, offsets, pooling, per_sample_weights, across_features
            )

    def _work(self, indices: ArrayLike) -> int:
        """How much work a batch is, in numbers: finding a row takes as long as reading some."""
        return np.size(indices) * (self.embedding_dim + _NUMBERS_TO_FIND_A_ROW)

    def _lookup(
        self, threads: int, out: NDArray[np.float32] | None, *arguments: Any
    ) -> NDArray[np.float32]:
        batch = self._features.batch(self._device, threads, *arguments)
        result = self._check_out(out, (*batch.shape, self.embedding_dim))
        flat = result.reshape(-1, self.embedding_dim)
        kernels = self._device.kernels
        if batch.offsets is None and not batch.sample_weights.size:
            kernels.gather(self._words, batch.rows, flat, self._is_streamed(flat), threads)
        else:
            bounds = batch.offsets
            if bounds is None:
                bounds = np.arange(batch.rows.size + 1, dtype=np.int64)
            weights = batch.sample_weights
            kernels.pool(self._words, batch.rows, bounds, weights, batch.mean, flat, threads)
        return result

    def _is_streamed(self, out: NDArray[np.float32]) -> bool:
        """Whether an output is too large to be found in cache later, and can be streamed."""
        kernels = self._device.kernels
        aligned = out.ctypes.data % kernels.STREAM_BYTES == 0
        whole_blocks = self.embedding_dim % kernels.WIDTH == 0
        return aligned and whole_blocks and out.nbytes >= _STREAMED_BYTES

    def update(
        self,
        indices: ArrayLike,
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
            If a gradient, or a row's sum of them times the learning rate, is not finite and
            ``on_nonfinite="raise"``.  In every case nothing was changed.
        """
        with self._device.threads(self._work(indices)) as threads:
            self._update(
                threads, grad, indices, offsets, pooling, per_sample_weights, across_features
            )

    def _update(self, threads: int, grad: NDArray[np.float32], *arguments: Any) -> None:
        batch = self._features.batch(self._device, threads, *arguments)
        flat_grad = self._check_grad(grad, (*batch.shape, self.embedding_dim))
        learning_rate = np.float32(self.optimizer.learning_rate_at(self._step))
        kernels = self._device.kernels
        if batch.rows.size:
            coefficients = batch.coefficients()
            labels, bags = batch.bags, _NO_BAGS
            if coefficients.size:  # found by position, so that is what must be sorted along
                labels, bags = _NO_BAGS, batch.bags
            gradients = kernels.Gradients(flat_grad, bags, coefficients)
            runs = self._group(batch.rows, labels)
            if len(runs.pieces):
                kernels.sum_pieces(runs, gradients)
            guard = self._needs_guard(gradients, runs, learning_rate)
            key = stream_key(self.seed, STREAM_UPDATE, self._step)
            stochastic = self.rounding == "stochastic"
            totals = self._workspace.empty("totals", (threads, self.embedding_dim), np.float32)
            skipped = np.zeros(threads, np.int64)
            self.optimizer.update_rows(
                kernels, self._words, self._state, learning_rate, runs, gradients,
                key, stochastic, guard, totals, skipped,
            )  # fmt: skip
            self._skipped_rows += int(skipped.sum())
        self._step += 1

    def _check_out(
        self, out: NDArray[np.float32] | None, shape: tuple[int, ...]
    ) -> NDArray[np.float32]:
        if out is None:
            return np.empty(shape, np.float32)
        if not isinstance(out, np.ndarray) or out.dtype != np.float32:
            raise TypeError(f"out must be a float32 array, got {getattr(out, 'dtype', out)!r}")
        if out.shape != shape or not out.flags.c_contiguous or not out.flags.writeable:
            raise ValueError(f"out must be writable, C-contiguous and of shape {shape}")
        return out

    def _check_grad(self, grad: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
        values = check_float32("grad", grad)
        if values.shape != shape:
            raise ValueError(f"grad must have the shape of the lookup, {shape}, got {values.shape}")
        return values.reshape(-1, self.embedding_dim)

    def _group(self, rows: NDArray[np.uint32], labels: NDArray[np.uint32]) -> Any:
        """The positions of a batch grouped by row, each as its label."""
        kernels = self._device.kernels
        n = rows.size
        packed = self._workspace.empty("packed", (n,), np.uint64)
        spare = self._workspace.empty("spare", (n,), np.uint64)
        starts = self._workspace.empty("starts", (n + 1,), np.uint32)
        first_pieces = self._workspace.empty("first_pieces", (n + 1,), np.uint32)
        row_bits = int(self._features.num_rows - 1).bit_length()
        with self._device.threads(n * _NUMBERS_TO_SORT_AN_ID) as threads:
            order = kernels.sort_by_row(rows, labels, row_bits, packed, spare, threads)
        count, num_pieces = kernels.find_runs(order, starts, first_pieces)
        pieces = self._workspace.empty("pieces", (num_pieces, self.embedding_dim), np.float32)
        return kernels.Runs(order, starts[: count + 1], first_pieces[: count + 1], pieces)

    def _needs_guard(self, gradients: Any, runs: Any, learning_rate: np.float32) -> bool:
        """Whether some row's step might not be finite; raises where that is so and not allowed."""
        kernels = self._device.kernels
        with self._device.threads(gradients.grad.size) as threads:
            magnitudes = np.zeros(threads, np.uint32)
            kernels.largest_magnitude_bits(gradients.grad.reshape(-1), magnitudes)
        bits = int(magnitudes.max())
        if bits < _FLOAT32_INF_BITS:
            largest = float(np.uint32(bits).view(np.float32))
            factor = float(np.abs(gradients.coefficients).max(initial=1.0))
            bound = largest * factor * runs.order.size * max(float(learning_rate), 1.0)
            if bound < _FLOAT32_MAX:
                return False
        if self.on_nonfinite == "skip":
            return True
        if bits >= _FLOAT32_INF_BITS:
            bag, column = np.argwhere(~np.isfinite(gradients.grad))[0]
            feature, sample = bag % len(self._features), bag // len(self._features)
            raise FloatingPointError(
                f"grad of sample {sample}, feature {feature}, column {column} is "
                f"{gradients.grad[bag, column]}; nothing was updated"
            )
        if rows := kernels.count_nonfinite_rows(runs, gradients, learning_rate):
            raise FloatingPointError(
                f"the gradients of {rows} rows overflow float32 when summed and multiplied by the "
                f"learning rate {learning_rate}; nothing was updated"
            )
        return False
