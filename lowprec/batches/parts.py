"""The arrays that samples are made of: what they are, how many, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.checks import as_integers, check_offsets
from lowprec.batches.features import Features
from lowprec.device import Device

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def as_dense(home: Device, values: Any) -> NDArray[np.float32]:
    """Dense features as float32, all finite."""
    dense = home.as_float32("dense", values)
    if dense.ndim != 2:
        raise ValueError(f"dense features must have shape (n, num_dense), got {dense.shape}")
    finite = home.xp.isfinite(dense)
    if not finite.all():
        row, column = map(int, home.xp.argwhere(~finite)[0])
        raise ValueError(
            f"dense[{row}, {column}] = {dense[row, column]} is not finite: models do not "
            "accept NaN or infinity"
        )
    return dense  # type: ignore[no-any-return]


def as_ids(
    home: Device, indices: Any, offsets: Any, weights: Any
) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """Indices and offsets, which are integers of the right dimension; None where there are none."""
    if indices is None:
        for name, value in (("offsets", offsets), ("weights", weights)):
            if value is not None:
                raise ValueError(f"{name} are given, but no indices")
        return None, None
    given = home.asarray(indices, "indices")
    if offsets is not None and given.shape == (0,) and given.dtype == np.float64:  # an empty list
        given = given.astype(np.int64)
    ids = as_integers("indices", given)
    if offsets is not None:
        bounds = as_integers("offsets", home.asarray(offsets, "offsets"))
        if bounds.ndim == 1 and bounds.size and ids.ndim == 1:
            return ids, bounds
        check_offsets(home, bounds, ids)  # raises
    if ids.ndim != 2:
        raise ValueError(
            f"indices without offsets must have shape (n, num_features), got {ids.shape}"
        )
    return ids, None


def as_weights(home: Device, weights: Any, ids: NDArray[Any]) -> NDArray[Any] | None:
    """The weights as they are, if each is finite as float32: a batch's become float32."""
    if weights is None:
        return None
    values = home.asarray(weights, "weights")
    if values.dtype.kind != "f" or values.dtype.itemsize not in (4, 8):
        values = home.as_float32("weights", values)
    if values.shape != ids.shape:
        raise ValueError(f"weights must have the shape of indices, {ids.shape}, got {values.shape}")
    # NaN is the minimum and the maximum where there is one
    if values.size and not (
        float(values.min()) >= -_LARGEST_FLOAT32 and float(values.max()) <= _LARGEST_FLOAT32
    ):
        bad = home.xp.argwhere(~(home.xp.abs(values) <= _LARGEST_FLOAT32))
        where = tuple(int(i) for i in bad[0])
        raise ValueError(f"weights{list(where)} = {values[where]} is not finite in float32")
    return values  # type: ignore[no-any-return]


def count(
    dense: NDArray[Any] | None, ids: NDArray[Any] | None, offsets: NDArray[Any] | None,
    features: Features | None,
) -> tuple[int, int]:  # fmt: skip
    """How many samples and features there are; ValueError if the arrays disagree."""
    if ids is None:
        if dense is None:
            raise ValueError("samples need dense features or indices, but both are None")
        if features is not None:
            raise ValueError(f"num_embeddings has {len(features)} features, but there are no ids")
        return len(dense), 0
    if offsets is None:
        n = len(ids) if dense is None else len(dense)
        num_features = ids.shape[1] if features is None else len(features)
        if ids.shape != (n, num_features):
            raise ValueError(f"indices must have shape ({n}, {num_features}), got {ids.shape}")
        return n, num_features
    bags = len(offsets) - 1
    if features is not None:
        num_features = len(features)
    else:
        num_features = 1 if dense is None or not len(dense) else bags // len(dense)
    n = len(dense) if dense is not None else bags // num_features
    if bags != n * num_features or num_features == 0:
        each = "num_features" if features is None else num_features
        raise ValueError(f"offsets must have {n} * {each} + 1 entries, got shape {offsets.shape}")
    return n, num_features
