"""What is wrong with the ids, offsets and weights of a batch: named, before anything is written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.features import Features
from lowprec.device import Device

MAX_IDS = 2**32 - 1  # positions and bags are uint32 in the kernels
_INDEX_DTYPES: dict[int, np.dtype[Any]] = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}


def check_layout(
    device: Device,
    features: Features,
    indices: Any,
    offsets: Any,
    checked: bool = False,
    *,
    one_batch: bool = True,
) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Indices, as they lie in memory, and offsets as kernels take them.

    Those of `one_batch` are not more than the kernels can count.
    """
    ids = _check_index_array("indices", device.asarray(indices, "indices"), one_batch)
    if offsets is not None:
        bounds = _check_index_array("offsets", device.asarray(offsets, "offsets"), one_batch)
        return ids, check_offsets(device, bounds, ids, checked)
    if ids.shape[1:] == (len(features),) or (ids.ndim == 1 and features.single):
        return ids, None
    expected = "(N,) or (N, 1)" if features.single else f"(B, {len(features)})"
    raise ValueError(f"indices without offsets must have shape {expected}, got {ids.shape}")


def as_kernels_take(device: Device, ids: NDArray[Any]) -> NDArray[Any]:
    """Checked indices, C-contiguous in native byte order."""
    return device.contiguous(ids, _INDEX_DTYPES[ids.dtype.itemsize])  # type: ignore[no-any-return]


def num_bags(features: Features, offsets: NDArray[np.int64]) -> int:
    """How many bags there are; ValueError unless samples have one for each feature."""
    bags = offsets.size - 1
    if bags % len(features):
        raise ValueError(
            f"offsets has {offsets.size} entries, so {bags} bags, "
            f"which is not a multiple of the {len(features)} features"
        )
    return bags


def check_id_weights(device: Device, weights: Any, ids: NDArray[Any]) -> NDArray[np.float32]:
    """The factors of ids, 1-D; empty where none are given."""
    if weights is None:
        return device.xp.empty(0, np.float32)  # type: ignore[no-any-return]
    values = device.as_float32("per_sample_weights", weights)
    if values.shape != ids.shape:
        raise ValueError(
            f"per_sample_weights must have the shape of indices, {ids.shape}, got {values.shape}"
        )
    bad = device.xp.argwhere(~device.xp.isfinite(values))
    if bad.size:
        where = tuple(int(i) for i in bad[0])
        raise ValueError(f"per_sample_weights{list(where)} = {values[where]} is not finite")
    return values.reshape(-1)  # type: ignore[no-any-return]


def raise_out_of_range(
    device: Device,
    features: Features,
    ids: NDArray[Any],
    offsets: NDArray[np.int64] | None,
    padding: bool = False,
    before: int = 0,
) -> None:
    """IndexError for the first bad id, where there is one.

    So many samples come `before` these in the user's arrays, or so many ids if there are offsets.
    """
    ids = device.to_host(ids)
    offsets = None if offsets is None else device.to_host(offsets)
    position = _first_out_of_range(features, ids.reshape(-1), offsets, padding)
    if offsets is None:
        feature = position % len(features)
        sample, *column = np.unravel_index(position, ids.shape)
        where = ", ".join(str(i) for i in (sample + before, *column))
    else:
        bag = int(np.searchsorted(offsets, position, side="right")) - 1
        feature, where = bag % len(features), str(position + before)
    raise IndexError(
        f"indices[{where}] = {ids.flat[position]} is out of range for feature {feature}, "
        f"which has num_embeddings {features.num_embeddings[feature]}"
    )


def _first_out_of_range(
    features: Features, flat: NDArray[Any], offsets: NDArray[np.int64] | None, padding: bool
) -> int:
    bag_of_position = np.arange(flat.size)
    if offsets is not None:
        bag_of_position = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    limits = features.num_embeddings[bag_of_position % len(features)]
    return int(np.argmax(((flat < 0) & (not padding)) | (flat >= limits)))


def check_offsets(
    device: Device, bounds: NDArray[Any], ids: NDArray[Any], checked: bool = False
) -> NDArray[np.int64]:
    """Integers as the offsets of ids; ValueError says why they are none."""
    if ids.ndim != 1:
        raise ValueError(f"indices with offsets must be 1-D, got shape {ids.shape}")
    if bounds.ndim != 1 or bounds.size == 0:
        raise ValueError(f"offsets must be 1-D with one entry at least, got {bounds.shape}")
    bounds = device.contiguous(bounds, np.int64)
    if checked:
        return bounds
    first, last = int(bounds[0]), int(bounds[-1])
    if first != 0:
        raise ValueError(f"offsets must start with 0, got offsets[0] = {first}")
    decreasing = device.xp.flatnonzero(bounds[1:] < bounds[:-1])
    if decreasing.size:
        k = int(decreasing[0])
        raise ValueError(
            f"offsets must not decrease, got offsets[{k}] = {bounds[k]} "
            f"and offsets[{k + 1}] = {bounds[k + 1]}"
        )
    if last != ids.size:
        raise ValueError(
            f"offsets must end with len(indices) = {ids.size}, "
            f"got offsets[{bounds.size - 1}] = {last}"
        )
    return bounds


def as_integers(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array, if it holds integers: of int32 or int64 as it is, others converted.

    TypeError if they are none; IndexError names one that int64 cannot hold.
    """
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {array.dtype}")
    if array.dtype.kind == "i" and array.dtype.itemsize in _INDEX_DTYPES:
        return array
    if array.dtype.kind == "u" and array.dtype.itemsize == 8 and array.size:
        place = int(array.argmax())
        if int(array.flat[place]) > np.iinfo(np.int64).max:
            where = [int(i) for i in np.unravel_index(place, array.shape)]
            raise IndexError(f"{name}{where} = {array.flat[place]} is beyond int64")
    return array.astype(np.int32 if array.dtype.itemsize < 4 else np.int64)


def as_keys(name: str, array: NDArray[Any]) -> NDArray[np.uint64]:
    """Integers of any dtype as 64-bit keys, their bits in two's complement: -1 is 2**64 - 1.

    TypeError if they are none.
    """
    if array.size == 0 and array.dtype.kind == "f":  # an empty list
        return array.astype(np.uint64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {array.dtype}")
    return array.astype(np.uint64, copy=False)


def _check_index_array(name: str, array: NDArray[Any], one_batch: bool) -> NDArray[Any]:
    """The array `as_integers`; ValueError if these are too many for one batch."""
    array = as_integers(name, array)
    if one_batch and array.size > MAX_IDS:
        raise ValueError(f"{name} has {array.size} entries; a batch has at most {MAX_IDS}")
    return array
