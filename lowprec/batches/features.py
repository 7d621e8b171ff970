"""The ids of one batch: the one place that checks indices, offsets and weights.

A batch of B samples over F features has B * F *bags*, sample-major: bag ``b * F + f``.  Without
offsets each bag holds one id.  With offsets, as in the ``indptr`` of a CSR matrix::

    indices  7 3 | 5 | | 1 4 2          bag k = indices[offsets[k]:offsets[k + 1]]
    offsets  0     2   3 3       6      here 4 bags, the third of them empty
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.checks import check_choice, check_flag, check_int, entries_of
from lowprec.device import Device

MAX_ROWS = 2**32 - 1  # a row is a uint32 in the kernels
MAX_IDS = 2**32 - 1  # and so are positions and bags
POOLINGS = ("sum", "mean")
_IDS_AT_ONCE = 1 << 20
_INDEX_DTYPES: dict[int, np.dtype[Any]] = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}


@dataclass(frozen=True)
class Batch:
    """A checked batch, as the kernels take it; arrays are on the device of the table.

    `EmbeddingTable.batch` makes one.
    """

    features: Features
    rows: NDArray[np.uint32]  # (n,) row in the stacked table of each position
    bags: NDArray[np.uint32]  # (n,) bag of each position; empty where that is the position
    offsets: NDArray[np.int64] | None  # (bags + 1,), or None for one id a bag
    sample_weights: NDArray[np.float32]  # (n,), or empty for ones
    mean: bool
    shape: tuple[int, ...]  # of the bags: (B, F), or (B,) for a single table

    def coefficients(self) -> NDArray[np.float32]:
        """What the gradient of a bag is multiplied with at each position; empty for ones."""
        if self.offsets is None or not self.mean:
            return self.sample_weights
        sizes = (self.offsets[1:] - self.offsets[:-1]).astype(np.float32)
        weights = self.sample_weights if self.sample_weights.size else np.float32(1.0)
        coefficients: NDArray[np.float32] = weights / sizes[self.bags]
        return coefficients


@dataclass(frozen=True, eq=False)
class Features:
    """How many rows each feature has, and where they begin in the stacked table.

    Parameters
    ----------
    num_embeddings : ndarray of int64, shape (F,)
        Rows of each feature.
    row_offsets : ndarray of int64, shape (F + 1,)
        Feature f has rows ``row_offsets[f]:row_offsets[f + 1]``.
    single : bool
        Whether the user gave one number instead of a sequence.
    """

    num_embeddings: NDArray[np.int64]
    row_offsets: NDArray[np.int64]
    single: bool
    _on_devices: dict[str, tuple[Any, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def check(cls, num_embeddings: int | Sequence[int]) -> Features:
        """From what a user gave; TypeError or ValueError name the feature."""
        given = entries_of(num_embeddings)
        single = given is None
        given = [num_embeddings] if given is None else given
        if not given:
            raise ValueError("num_embeddings is empty: give one number of rows for each feature")
        counts = [
            check_int("num_embeddings" if single else f"num_embeddings[{f}]", count, low=1)
            for f, count in enumerate(given)
        ]
        if sum(counts) > MAX_ROWS:
            raise ValueError(f"num_embeddings adds up to {sum(counts)} rows; at most {MAX_ROWS}")
        row_offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        return cls(np.array(counts, np.int64), row_offsets, single)

    def __len__(self) -> int:
        return len(self.num_embeddings)

    @property
    def num_rows(self) -> int:
        """Rows of the stacked table."""
        return int(self.row_offsets[-1])

    def batch(
        self,
        device: Device,
        indices: Any,
        offsets: Any = None,
        pooling: str = "sum",
        per_sample_weights: Any = None,
        across_features: bool = False,
        *,
        checked: bool = False,
        padding: bool = False,
    ) -> Batch:
        """Check a batch and find its rows.

        With `across_features`, the bags of all features of a sample are one.  What was `checked`
        before is not checked again, for which a GPU would have to be waited for.  With `padding`,
        negative ids are left out.

        Raises
        ------
        IndexError
            If an id is out of range: names the feature, the position, the id and the limit.
        TypeError, ValueError
            If a dtype or a shape is wrong, or the offsets are not those of a batch.
        """
        check_choice("pooling", pooling, POOLINGS)
        check_flag("across_features", across_features)
        ids, bounds = self._check_layout(device, indices, offsets, checked)
        shape = ids.shape if bounds is None else self._shape_of_bags(bounds)
        weights = _check_sample_weights(device, per_sample_weights, ids)
        merged = len(self) if across_features else 1
        given, flat = (ids, bounds), ids.reshape(-1)
        if padding:
            flat, bounds, weights = _without_padding(device, flat, bounds, weights)
        rows, bags, in_range = self._find_rows(device, flat, bounds, merged)
        if not checked and not in_range.all():
            self._raise_out_of_range(device, *given, padding)
        if across_features:
            shape = shape[:1]
            if bounds is not None:
                bounds = device.contiguous(bounds[::merged], np.int64)
            elif merged > 1:  # a bag of the ids of one feature is one id
                bounds = device.xp.arange(shape[0] + 1, dtype=np.int64) * merged
        return Batch(self, rows, bags, bounds, weights, pooling == "mean", shape)

    def check_ids(self, device: Device, indices: Any, offsets: Any = None) -> None:
        """Check the ids of many samples as `batch` does, in little memory.

        Raises
        ------
        IndexError, TypeError, ValueError
            As `batch` does.
        """
        ids, bounds = self._check_layout(device, indices, offsets)
        flat = ids.reshape(-1)
        bags = flat.size if bounds is None else self._num_bags(bounds)
        piece = max(1, _IDS_AT_ONCE // len(self)) * len(self)
        for first in range(0, bags, piece):
            last = min(first + piece, bags)
            if bounds is None:
                piece_ids, piece_bounds = flat[first:last], None
            else:
                start, stop = int(bounds[first]), int(bounds[last])
                piece_ids, piece_bounds = flat[start:stop], bounds[first : last + 1] - start
            in_range = self._find_rows(device, piece_ids, piece_bounds, 1)[2]
            if not in_range.all():
                self._raise_out_of_range(device, ids, bounds)

    def _check_layout(
        self, device: Device, indices: Any, offsets: Any, checked: bool = False
    ) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
        """Indices, C-contiguous in native byte order, and offsets as int64."""
        ids = _check_index_array("indices", device.asarray(indices, "indices"))
        ids = device.contiguous(ids, _INDEX_DTYPES[ids.dtype.itemsize])
        if offsets is not None:
            return ids, self._check_offsets(device, offsets, ids, checked)
        if ids.shape[1:] == (len(self),) or (ids.ndim == 1 and self.single):
            return ids, None
        expected = "(N,) or (N, 1)" if self.single else f"(B, {len(self)})"
        raise ValueError(f"indices without offsets must have shape {expected}, got {ids.shape}")

    def _find_rows(
        self,
        device: Device,
        flat: NDArray[Any],
        offsets: NDArray[np.int64] | None,
        merged: int,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.bool_]]:
        """The row and the bag of each position, and whether all ids of each part are in range.

        So many bags in a row are merged into one; without, and no offsets, bags are left out.
        """
        xp, kernels = device.xp, device.kernels
        rows = xp.empty(flat.size, np.uint32)
        tables = self._tables(device)
        if offsets is None:
            bags = xp.empty(flat.size if merged > 1 else 0, np.uint32)
            in_range = kernels.rows_of_features(flat, *tables, rows, bags)
        else:
            bags = xp.empty(flat.size, np.uint32)
            in_range = kernels.rows_of_bags(flat, offsets, *tables, rows, bags, merged)
        return rows, bags, in_range

    def _tables(self, device: Device) -> tuple[Any, Any]:
        """`num_embeddings` and where the rows of each feature begin, on a device."""
        if device.name not in self._on_devices:
            pair = (self.num_embeddings, self.row_offsets[:-1])
            self._on_devices[device.name] = tuple(map(device.asarray, pair))  # type: ignore[assignment]
        return self._on_devices[device.name]

    def _first_out_of_range(
        self, flat: NDArray[Any], offsets: NDArray[np.int64] | None, padding: bool
    ) -> int:
        """The first position with a bad id, where there is one."""
        bag_of_position = np.arange(flat.size)
        if offsets is not None:
            bag_of_position = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
        limits = self.num_embeddings[bag_of_position % len(self)]
        return int(np.argmax(((flat < 0) & (not padding)) | (flat >= limits)))

    def _num_bags(self, offsets: NDArray[np.int64]) -> int:
        bags = offsets.size - 1
        if bags % len(self):
            raise ValueError(
                f"offsets has {offsets.size} entries, so {bags} bags, "
                f"which is not a multiple of the {len(self)} features"
            )
        return bags

    def _shape_of_bags(self, offsets: NDArray[np.int64]) -> tuple[int, ...]:
        bags = self._num_bags(offsets)
        return (bags,) if self.single else (bags // len(self), len(self))

    def _check_offsets(
        self, device: Device, offsets: Any, ids: NDArray[Any], checked: bool
    ) -> NDArray[np.int64]:
        bounds = _check_index_array("offsets", device.asarray(offsets, "offsets"))
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

    def _raise_out_of_range(
        self,
        device: Device,
        ids: NDArray[Any],
        offsets: NDArray[np.int64] | None,
        padding: bool = False,
    ) -> None:
        ids = device.to_host(ids)
        offsets = None if offsets is None else device.to_host(offsets)
        position = self._first_out_of_range(ids.reshape(-1), offsets, padding)
        if offsets is None:
            feature = position % len(self)
            where = ", ".join(str(i) for i in np.unravel_index(position, ids.shape))
        else:
            bag = int(np.searchsorted(offsets, position, side="right")) - 1
            feature, where = bag % len(self), str(position)
        raise IndexError(
            f"indices[{where}] = {ids.flat[position]} is out of range for feature {feature}, "
            f"which has num_embeddings {self.num_embeddings[feature]}"
        )


def _check_index_array(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array, if it holds int32 or int64 numbers, and not more than the kernels can count."""
    if array.dtype.kind != "i" or array.dtype.itemsize not in _INDEX_DTYPES:
        raise TypeError(f"{name} must be int32 or int64, got {array.dtype}")
    if array.size > MAX_IDS:
        raise ValueError(f"{name} has {array.size} entries; a batch has at most {MAX_IDS}")
    return array


def _check_sample_weights(device: Device, weights: Any, ids: NDArray[Any]) -> NDArray[np.float32]:
    if weights is None:
        return device.xp.empty(0, np.float32)  # type: ignore[no-any-return]
    values = device.check_float32("per_sample_weights", weights)
    if values.shape != ids.shape:
        raise ValueError(
            f"per_sample_weights must have the shape of indices, {ids.shape}, got {values.shape}"
        )
    bad = device.xp.argwhere(~device.xp.isfinite(values))
    if bad.size:
        where = tuple(int(i) for i in bad[0])
        raise ValueError(f"per_sample_weights{list(where)} = {values[where]} is not finite")
    return values.reshape(-1)  # type: ignore[no-any-return]


def _without_padding(
    device: Device, flat: NDArray[Any], bounds: NDArray[np.int64] | None, weights: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.int64] | None, NDArray[Any]]:
    """Ids, offsets and weights without the negative ids: a bag of one id may then be empty."""
    xp, real = device.xp, flat >= 0
    if real.all():
        return flat, bounds, weights
    before = xp.concatenate([xp.zeros(1, np.int64), xp.cumsum(real, dtype=np.int64)])
    kept = xp.flatnonzero(real)
    bounds = before if bounds is None else before[bounds]
    return flat[kept], bounds, weights[kept] if weights.size else weights
