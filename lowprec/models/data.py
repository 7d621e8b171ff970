"""The samples that a recommender is trained on: checked once, then taken batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.device import get_device


@dataclass(frozen=True)
class Samples:
    """Dense features, ids and labels of n samples."""

    dense: NDArray[np.float32]  # (n, num_dense)
    indices: NDArray[Any]  # (n, num_features), or (total,) with offsets
    offsets: NDArray[np.int64] | None  # (n * num_features + 1,)
    y: NDArray[np.float32]  # (n,)
    num_features: int

    def __len__(self) -> int:
        return len(self.dense)

    def take(self, order: NDArray[np.int64]) -> Samples:
        """The samples numbered `order`, in that order."""
        dense, y = self.dense[order], self.y[order]
        if self.offsets is None:
            return Samples(dense, self.indices[order], None, y, self.num_features)
        # the ids of a sample are one stretch: from its first bag to the first of the next sample
        bag_sizes = np.diff(self.offsets).reshape(-1, self.num_features)[order]
        starts = self.offsets[:-1].reshape(-1, self.num_features)[order, 0]
        lengths = bag_sizes.sum(axis=1)
        ends = np.cumsum(lengths)
        positions = np.arange(lengths.sum()) + np.repeat(starts - (ends - lengths), lengths)
        offsets = np.concatenate([[0], np.cumsum(bag_sizes)]).astype(np.int64)
        return Samples(dense, self.indices[positions], offsets, y, self.num_features)

    def _slice(self, start: int, stop: int) -> Samples:
        """The samples from `start` to `stop`, without a copy."""
        dense, y = self.dense[start:stop], self.y[start:stop]
        if self.offsets is None:
            return Samples(dense, self.indices[start:stop], None, y, self.num_features)
        offsets = self.offsets[start * self.num_features : stop * self.num_features + 1]
        indices = self.indices[offsets[0] : offsets[-1]]
        return Samples(dense, indices, offsets - offsets[0], y, self.num_features)

    def batches(self, batch_size: int, order: NDArray[np.int64] | None = None) -> Iterator[Samples]:
        """Batches of `batch_size` samples, the last one smaller, in `order` or as they stand."""
        for start in range(0, len(self), batch_size):
            stop = min(start + batch_size, len(self))
            yield self._slice(start, stop) if order is None else self.take(order[start:stop])


def check_samples(X: Any, y: Any, num_features: int, num_dense: int | None) -> Samples:
    """Samples from ``X = (dense, indices)`` or ``(dense, indices, offsets)`` and labels.

    `y` may be None, for prediction.  Ids are left to `lowprec.batch.Features`.

    Raises
    ------
    TypeError, ValueError
        If an array has the wrong dtype or shape, a dense feature is not finite, or a label is not
        0 or 1: names the position and the value.
    """
    if not isinstance(X, (tuple, list)) or len(X) not in (2, 3):
        raise TypeError("X must be (dense, indices) or (dense, indices, offsets)")
    dense = _check_dense(X[0], num_dense)
    indices = np.asarray(X[1])
    offsets = None if len(X) == 2 or X[2] is None else np.asarray(X[2])
    n = len(dense)
    if n == 0:
        raise ValueError("X has no samples")
    if offsets is None and indices.shape != (n, num_features):
        raise ValueError(f"indices must have shape ({n}, {num_features}), got {indices.shape}")
    if offsets is not None and offsets.shape != (n * num_features + 1,):
        raise ValueError(
            f"offsets must have {n} * {num_features} + 1 entries, got shape {offsets.shape}"
        )
    labels = np.zeros(n, np.float32) if y is None else _check_labels(y, n)
    return Samples(dense, indices, offsets, labels, num_features)


def _check_dense(values: Any, num_dense: int | None) -> NDArray[np.float32]:
    dense = get_device("cpu").check_float32("dense features", values)
    if dense.ndim != 2 or (num_dense is not None and dense.shape[1] != num_dense):
        columns = "num_dense" if num_dense is None else num_dense
        raise ValueError(f"dense features must have shape (n, {columns}), got {dense.shape}")
    finite = np.isfinite(dense)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(f"dense[{row}, {column}] = {dense[row, column]} is not finite")
    return dense


def _check_labels(y: Any, n: int) -> NDArray[np.float32]:
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(f"y must have shape ({n},), got {labels.shape}")
    if labels.dtype.kind not in "biuf":
        raise TypeError(f"y must hold numbers, got {labels.dtype}")
    bad = np.flatnonzero((labels != 0) & (labels != 1))
    if bad.size:
        raise ValueError(f"y[{bad[0]}] = {labels[bad[0]]}: a label must be 0 or 1")
    return labels.astype(np.float32)
