"""Samples in memory: dense features, ids and the ids' weights, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.batches.batch import check_ids
from lowprec.batches.checks import check_offsets
from lowprec.batches.features import Features
from lowprec.batches.parts import as_dense, as_ids, as_weights, count
from lowprec.device import Device, device_of


class Samples:
    """Samples of dense features and ids, the input of models.

    The constructor validates everything, once.  Arrays are not copied if they already have the
    dtype for training: float32 for dense features, int32 or int64 for ids.  Do not change them
    afterwards.

    Parameters
    ----------
    dense : array_like of numbers, shape (n, num_dense), optional
        Dense features, converted to float32.
    indices : array_like of integers, optional
        Ids, local to their feature.  Without `offsets`, (n, num_features): one id for each feature.
        With `offsets`, (total,): the ids of all bags.
    offsets : array_like of integers, shape (n * num_features + 1,), optional
        Bag k, sample-major, is ``indices[offsets[k]:offsets[k + 1]]``, as in
        `EmbeddingTable.lookup`.
    weights : array_like of numbers, the shape of `indices`, optional
        Factors for the embeddings of the ids.
    num_embeddings : int or sequence of int, optional
        Number of ids of each feature.  Its length is the number of features.  Models use it if
        their own `num_embeddings` is None.

    Attributes
    ----------
    dense : ndarray of float32, shape (n, num_dense)
        (n, 0) if there are none.
    indices : ndarray of int32 or int64
        (n, 0) if there are none.
    offsets : ndarray of int64, or None
    weights : ndarray, or None
    num_embeddings : list of int, or None
    num_dense, num_features : int
    shape : tuple
        ``(n, num_dense + num_features)``.

    Raises
    ------
    IndexError
        If an id is negative, or not below its feature's `num_embeddings`.  The message names the
        feature, the position and the id.
    TypeError, ValueError
        If an array has the wrong dtype or shape, a number is not finite, or `offsets` do not fit.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> samples = lp.Samples(np.ones((3, 2)), [[0, 5], [1, 5], [2, 4]], num_embeddings=[3, 6])
    >>> len(samples), samples.shape
    (3, (3, 4))
    >>> samples[1:].indices
    array([[1, 5],
           [2, 4]])

    Bags of one, no and two ids:

    >>> bags = lp.Samples(indices=[7, 0, 3], offsets=[0, 1, 1, 3])
    >>> bags[[2, 0]].indices
    array([0, 3, 7])
    """

    dense: NDArray[np.float32]
    indices: NDArray[Any]
    offsets: NDArray[np.int64] | None
    weights: NDArray[Any] | None
    num_embeddings: list[int] | None
    num_features: int
    device: Device

    def __init__(
        self,
        dense: ArrayLike | None = None,
        indices: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        num_embeddings: int | Sequence[int] | None = None,
    ) -> None:
        home = device_of(dense, indices, offsets, weights)
        features = None if num_embeddings is None else Features.check(num_embeddings)
        ids, bounds = as_ids(home, indices, offsets, weights)
        numbers = None if dense is None else as_dense(home, dense)
        n, num_features = count(numbers, ids, bounds, features)
        if bounds is not None and ids is not None:
            bounds, ids = check_offsets(home, bounds, ids), home.contiguous(ids, ids.dtype)
        if numbers is None:
            numbers = home.xp.empty((n, 0), np.float32)
        if ids is None:
            ids = home.xp.empty((n, 0), np.int64)
        self.device, self.num_features = home, num_features
        self.dense, self.indices, self.offsets = numbers, ids, bounds
        self.weights = as_weights(home, weights, ids)
        self.num_embeddings = None if features is None else features.num_embeddings.tolist()
        if features is not None:
            check_ids(home, features, ids, bounds)
        elif ids.size and int(ids.min()) < 0:
            where = [int(i) for i in home.xp.argwhere(ids < 0)[0]]
            raise IndexError(f"indices{where} = {ids[tuple(where)]} is negative")

    def __len__(self) -> int:
        return len(self.dense)

    def __repr__(self) -> str:
        bags = "" if self.offsets is None else ", in bags"
        weighted = "" if self.weights is None else ", with weights"
        return (
            f"Samples({len(self)} samples, {self.num_dense} dense features, "
            f"{self.num_features} features of ids{bags}{weighted})"
        )

    @property
    def num_dense(self) -> int:
        """Dense features."""
        return self.dense.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """The number of samples, and the number of dense features plus features of ids."""
        return len(self), self.num_dense + self.num_features

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.dense, self.indices, self.offsets, self.weights)
        return sum(array.nbytes for array in arrays if array is not None)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise TypeError(
            "Samples cannot be converted to an array: use the attributes dense, indices, offsets "
            "and weights"
        )

    def __getitem__(self, rows: Any) -> Samples:
        """Some of the samples: a slice of them without a copy, or those numbered, or masked."""
        if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
            rows = rows[0]  # as scikit-learn asks
        if isinstance(rows, slice):
            start, stop, stride = rows.indices(len(self))
            if stride == 1:
                return self._between(start, max(start, stop))
            rows = np.arange(start, stop, stride)
        if isinstance(rows, tuple):
            raise TypeError("samples are indexed along one axis, by a slice, row numbers or a mask")
        order = self.device.asarray(rows, "rows")
        if order.size == 0 and order.dtype.kind == "f":  # an empty list
            order = order.astype(np.int64)
        if order.ndim != 1 or order.dtype.kind not in "iub":
            raise TypeError(
                "samples are indexed by a slice, a 1-D array of row numbers or a mask, got "
                f"{rows!r}"
            )
        if order.dtype.kind == "b":
            if len(order) != len(self):
                raise IndexError(f"the mask has {len(order)} entries for {len(self)} samples")
            order = self.device.xp.flatnonzero(order)
        return self._numbered(order)

    def _between(self, start: int, stop: int) -> Samples:
        if self.offsets is None:
            weights = None if self.weights is None else self.weights[start:stop]
            return self._with(self.dense[start:stop], self.indices[start:stop], None, weights)
        offsets = self.offsets[start * self.num_features : stop * self.num_features + 1]
        ids = slice(int(offsets[0]), int(offsets[-1]))
        weights = None if self.weights is None else self.weights[ids]
        return self._with(self.dense[start:stop], self.indices[ids], offsets - offsets[0], weights)

    def _numbered(self, order: NDArray[Any]) -> Samples:
        xp, dense, indices, weights = self.device.xp, self.dense[order], self.indices, self.weights
        if self.offsets is None:
            return self._with(
                dense, indices[order], None, None if weights is None else weights[order]
            )
        # the ids of a sample are one stretch: from its first bag to the first of the next sample
        bag_sizes = xp.diff(self.offsets).reshape(-1, self.num_features)[order]
        starts = self.offsets[:-1].reshape(-1, self.num_features)[order, 0]
        lengths = bag_sizes.sum(axis=1)
        ends = xp.cumsum(lengths)
        place = xp.arange(int(ends[-1]) if len(ends) else 0)
        # the sample that each place belongs to, past those without ids
        positions = place + (starts - (ends - lengths))[xp.searchsorted(ends, place, side="right")]
        offsets = xp.concatenate([xp.zeros(1, np.int64), xp.cumsum(bag_sizes)])
        return self._with(
            dense, indices[positions], offsets, None if weights is None else weights[positions]
        )

    def _with(self, dense: Any, indices: Any, offsets: Any, weights: Any) -> Samples:
        """Samples of these features, which are not checked again."""
        some = object.__new__(Samples)
        some.device, some.num_features = self.device, self.num_features
        some.num_embeddings = self.num_embeddings
        some.dense, some.indices, some.offsets, some.weights = dense, indices, offsets, weights
        return some


def taken(samples: Samples, order: Any, more: Sequence[Any]) -> tuple[Samples, list[Any]]:
    """The samples numbered in `order`, which is known to be right, and those rows of `more` arrays.

    `order` is int64, on the device of the samples.
    """
    if samples.offsets is not None:
        return samples[order], [array[order] for array in more]
    weights = [] if samples.weights is None else [samples.weights]
    dense, indices, *found = samples.device.kernels.take_rows(
        [samples.dense, samples.indices, *weights, *more], order
    )
    own = found.pop(0) if weights else None
    return samples._with(dense, indices, None, own), found


def with_an_empty_bag(samples: Samples) -> Samples:
    """Samples without ids, as samples of one feature that none has an id of."""
    xp = samples.device.xp
    none, offsets = xp.empty(0, np.int64), xp.zeros(len(samples) + 1, np.int64)
    some = samples._with(samples.dense, none, offsets, None)
    some.num_features = 1
    return some


def check_features(samples: Samples, num_embeddings: list[int]) -> None:
    """IndexError or ValueError unless these are samples of such features."""
    if samples.num_features != len(num_embeddings):
        raise ValueError(
            f"X has {samples.num_features} features of ids, the model has {len(num_embeddings)}"
        )
    if num_embeddings and num_embeddings != samples.num_embeddings:
        check_ids(samples.device, Features.check(num_embeddings), samples.indices, samples.offsets)


def smallest_features(samples: Samples) -> list[int]:
    """The `num_embeddings` that hold all ids: the largest id of each feature, plus 1."""
    if not samples.num_features:
        return []
    largest = np.zeros(samples.num_features, np.int64)  # of a feature without ids, too
    ids = samples.device.to_host(samples.indices)
    if samples.offsets is None:
        if len(samples):
            largest = ids.max(axis=0).astype(np.int64)
    else:
        offsets = samples.device.to_host(samples.offsets)
        bags = np.flatnonzero(np.diff(offsets))
        if len(bags):
            of_bags = np.maximum.reduceat(ids, offsets[bags]).astype(np.int64)
            np.maximum.at(largest, bags % samples.num_features, of_bags)
    return (largest + 1).tolist()  # type: ignore[no-any-return]
