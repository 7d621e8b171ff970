"""Categories that are integers, as ids of tables of any size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.datasets.sizes import as_sizes
from lowprec.device import get_device
from lowprec.scalar.hashing import MISSING_CATEGORY
from lowprec.typing import DeviceName


def hash_categories(
    values: ArrayLike,
    num_embeddings: SupportsIndex | Iterable[SupportsIndex],
    device: DeviceName = "cpu",
) -> NDArray[np.int32]:
    """Ids of categories, by the hash that `load_criteo` uses (version 1, ``docs/hash.md``).

    Parameters
    ----------
    values : array_like of int, shape (n, num_features)
        Categories, each in [0, 2**32]; 2**32 means missing.
    num_embeddings : int or sequence of int
        Number of ids of each feature, or one number for all; at most 2**31.
    device : {"cpu", "cuda"}, default "cpu"
        Where to compute.  On ``"cuda"`` the result is an array on the GPU, and `values` may be one.

    Returns
    -------
    ndarray of int32, shape (n, num_features)
        Ids in [0, num_embeddings) of their feature.  The same category in two features gets
        unrelated ids.

    Raises
    ------
    TypeError
        If `values` are not integers.
    ValueError
        If `values` is not 2-D, a value is out of range, or `num_embeddings` does not fit.
    RuntimeError
        If the device cannot be used.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> lp.datasets.hash_categories(np.array([[7, 7], [2**32, 0]]), [1000, 1000]).shape
    (2, 2)
    """
    where = get_device(device)
    categories = where.asarray(values, "values")
    if categories.dtype.kind not in "iu":
        raise TypeError(f"values must be integers, got {categories.dtype}")
    if categories.ndim != 2:
        raise ValueError(f"values must have shape (n, num_features), got {categories.shape}")
    sizes = where.asarray(np.array(as_sizes(num_embeddings, categories.shape[1]), np.int64))
    flat = where.contiguous(categories, np.int64).reshape(-1)  # uint64 beyond turns negative
    ids: NDArray[np.int32] = where.empty(categories.shape, np.int32)
    in_range = where.kernels.hash_categories(flat, sizes, ids.reshape(-1))
    if not in_range.all():
        on_host = where.to_host(flat)
        wrong = int(np.argmax((on_host < 0) | (on_host > MISSING_CATEGORY)))
        row, feature = divmod(wrong, categories.shape[1])
        value = categories[row, feature]
        raise ValueError(f"values[{row}, {feature}] = {value} is not in [0, 2**32]")
    return ids
