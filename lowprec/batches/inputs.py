"""What users have, as samples: tuples of arrays, arrays, frames of numbers, sparse matrices."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.samples import Samples
from lowprec.checks import as_array, holds_numbers
from lowprec.device import device_of


class HasShape(Protocol):
    """An array, a frame or a sparse matrix."""

    @property
    def shape(self) -> Any:
        """Rows and columns."""


SamplesLike: TypeAlias = Samples | Sequence[Any] | HasShape
_MOST_PARTS = 4  # dense, indices, offsets, weights


def as_samples(X: Any, num_embeddings: list[int] | None = None) -> Samples:
    """`X` of a model as samples; `num_embeddings` says how many features there are, if known.

    - Samples are returned as they are.
    - A tuple is (dense, indices[, offsets[, weights]]), with None for a missing part.
    - A sparse matrix of SciPy is one feature: columns are ids, and entries are their weights.
    - A 2-D array, list or frame of integers is ids; one of other numbers is dense features.

    Raises
    ------
    TypeError
        If it is none of these: names what was given.
    IndexError, TypeError, ValueError
        As `Samples` does.
    """
    if isinstance(X, Samples):
        return X
    if _is_tuple_of_parts(X):
        dense, indices, offsets, weights = (*X, None, None)[:_MOST_PARTS]
        known = num_embeddings if indices is not None else None
        return Samples(dense, indices, offsets, weights, known)
    if hasattr(X, "tocsr"):
        matrix = X.tocsr()  # itself, if it is one
        return Samples(None, matrix.indices, matrix.indptr, matrix.data, [matrix.shape[1]])
    home = device_of(X)
    array = home.asarray(X, "X") if home.asynchronous else as_array("X", X)
    if array.dtype == object and array.ndim == 2 and not hasattr(X, "columns"):
        array = _numbers_of(array)
    if array.dtype.kind == "c":
        raise ValueError(f"X is {array.dtype}. Complex data not supported")
    if array.ndim in (1, 2) and holds_numbers(array.dtype):
        _check_shape(array)
        if array.dtype.kind in "iu":
            return Samples(indices=array, num_embeddings=num_embeddings)
        return Samples(dense=array)
    if array.ndim == 2 and hasattr(X, "columns"):
        raise TypeError(
            f"X is a {type(X).__name__} with columns that are not numbers: convert it with "
            "lowprec.TabularEncoder"
        )
    raise TypeError(
        "X must be lowprec.Samples, (dense, indices), (dense, indices, offsets) or (dense, "
        "indices, offsets, weights), where each may be None, a 2-D array of ids or of dense "
        f"features, or a sparse matrix; got {type(X).__name__}"
        + (f" of {len(X)} entries" if isinstance(X, tuple | list) else "")
        + (f" of shape {array.shape} and {array.dtype}" if hasattr(X, "shape") else "")
    )


def _is_tuple_of_parts(X: Any) -> bool:
    """Whether it is a tuple of arrays; a list may be a matrix, too, of lists of numbers."""
    if not isinstance(X, tuple | list) or not 2 <= len(X) <= _MOST_PARTS:
        return False
    if isinstance(X, tuple):
        return True
    dense = X[0]
    if dense is None or getattr(dense, "ndim", 0) == 2:
        return True
    return isinstance(dense, tuple | list) and bool(dense) and isinstance(dense[0], tuple | list)


def _check_shape(array: Any) -> None:
    """ValueError unless numbers have rows and columns, in the words of scikit-learn."""
    if array.ndim == 1:
        raise ValueError(
            f"X must have two dimensions, samples and features, got the shape {array.shape}. "
            "Reshape your data: X.reshape(-1, 1) has one feature, X.reshape(1, -1) one sample"
        )
    if array.shape[1] == 0:
        raise ValueError(
            f"X has 0 feature(s) (shape={array.shape}) while a minimum of 1 is required."
        )


def _numbers_of(array: NDArray[Any]) -> NDArray[Any]:
    """An array of objects as one of numbers, if all are numbers; else TypeError names one."""
    for where, value in np.ndenumerate(array):
        if not isinstance(value, Real | np.bool_):
            raise TypeError(
                f"X{list(where)} = {value!r} is not a number: an entry of this argument must be "
                "neither a string nor another object than a number"
            )
    return np.array(array.tolist())
