"""A batch as kernels take it: the row and the bag of each id.

A batch of B samples over F features has B * F *bags*, sample-major: bag ``b * F + f``.  Without
offsets each bag holds one id.  With offsets, as in the ``indptr`` of a CSR matrix::

    indices  7 3 | 5 | | 1 4 2          bag k = indices[offsets[k]:offsets[k + 1]]
    offsets  0     2   3 3       6      here 4 bags, the third of them empty
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.checks import (
    as_kernels_take,
    check_id_weights,
    check_layout,
    num_bags,
    raise_out_of_range,
)
from lowprec.batches.features import Features
from lowprec.checks import check_choice, check_flag
from lowprec.device import Device
from lowprec.typing import Pooling

POOLINGS: tuple[str, ...] = get_args(Pooling)
_IDS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Batch:
    """A checked batch, as the kernels take it; arrays are on the device of the table.

    `EmbeddingTable.batch` makes one.
    """

    features: Features
    rows: NDArray[np.uint32]  # (n,) row in the stacked table of each position
    bags: NDArray[np.uint32]  # (n,) bag of each position; empty where that is the position
    offsets: NDArray[np.int64] | None  # (bags + 1,), or None for one id a bag
    id_weights: NDArray[np.float32]  # (n,), or empty for ones
    mean: bool
    shape: tuple[int, ...]  # of the bags: (B, F), or (B,) for a single table

    def factors(self) -> NDArray[np.float32]:
        """What the gradient of a bag is multiplied with at each position; empty for ones."""
        if self.offsets is None or not self.mean:
            return self.id_weights
        sizes = (self.offsets[1:] - self.offsets[:-1]).astype(np.float32)
        weights = self.id_weights if self.id_weights.size else np.float32(1.0)
        factors: NDArray[np.float32] = weights / sizes[self.bags]
        return factors


def make_batch(
    device: Device,
    features: Features,
    indices: Any,
    offsets: Any = None,
    pooling: Pooling = "sum",
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
    ids, bounds = check_layout(device, features, indices, offsets, checked)
    ids = as_kernels_take(device, ids)
    shape = ids.shape if bounds is None else _shape_of_bags(features, bounds)
    weights = check_id_weights(device, per_sample_weights, ids)
    merged = len(features) if across_features else 1
    given, flat = (ids, bounds), ids.reshape(-1)
    if padding:
        flat, bounds, weights = _without_padding(device, flat, bounds, weights)
    rows, bags, in_range = _find_rows(device, features, flat, bounds, merged)
    if not checked and not in_range:
        raise_out_of_range(device, features, *given, padding)
    if across_features:
        shape = shape[:1]
        if bounds is not None:
            bounds = device.contiguous(bounds[::merged], np.int64)
        elif merged > 1:  # a bag of the ids of one feature is one id
            bounds = device.xp.arange(0, (shape[0] + 1) * merged, merged, dtype=np.int64)
    return Batch(features, rows, bags, bounds, weights, pooling == "mean", shape)


def check_ids(device: Device, features: Features, indices: Any, offsets: Any = None) -> None:
    """Check the ids of any number of samples as `make_batch` does, in little memory.

    Raises
    ------
    IndexError, TypeError, ValueError
        As `make_batch` does; there is no limit to how many ids there are.
    """
    ids, bounds = check_layout(device, features, indices, offsets, one_batch=False)
    for before, some_ids, some_bounds in _pieces(features, ids, bounds):
        piece = as_kernels_take(device, some_ids)
        in_range = _find_rows(device, features, piece.reshape(-1), some_bounds, 1)[2]
        if not in_range:
            raise_out_of_range(device, features, piece, some_bounds, before=before)


def _pieces(
    features: Features, ids: NDArray[Any], bounds: NDArray[np.int64] | None
) -> Iterator[tuple[int, NDArray[Any], NDArray[np.int64] | None]]:
    """Whole samples, as many as have few ids and bags, or one: what comes before them, and them.

    That is counted in samples, or with offsets in ids.
    """
    most = max(1, _IDS_AT_ONCE // len(features))
    if bounds is None:
        for first in range(0, len(ids), most):
            yield first, ids[first : first + most], None
        return
    samples, first = num_bags(features, bounds) // len(features), 0
    while first < samples:
        last = min(first + most, samples)
        starts = bounds[first * len(features) : last * len(features) + 1 : len(features)]
        few = int((starts <= starts[0] + _IDS_AT_ONCE).sum()) - 1  # samples with so many ids
        last = first + max(1, few)
        inside = bounds[first * len(features) : last * len(features) + 1]
        start, stop = int(inside[0]), int(inside[-1])
        yield start, ids[start:stop], inside - start
        first = last


def _find_rows(
    device: Device,
    features: Features,
    flat: NDArray[Any],
    offsets: NDArray[np.int64] | None,
    merged: int,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], Any]:
    """The row and the bag of each position, and whether all ids are in range, as the device has it.

    So many bags in a row are merged into one; without, and no offsets, bags are left out.
    """
    xp, kernels = device.xp, device.kernels
    rows = xp.empty(flat.size, np.uint32)
    tables = features.on_device(device)
    if offsets is None:
        bags = xp.empty(flat.size if merged > 1 else 0, np.uint32)
        in_range = kernels.rows_of_features(flat, *tables, rows, bags)
    else:
        bags = xp.empty(flat.size, np.uint32)
        in_range = kernels.rows_of_bags(flat, offsets, *tables, rows, bags, merged)
    return rows, bags, in_range


def _shape_of_bags(features: Features, offsets: NDArray[np.int64]) -> tuple[int, ...]:
    bags = num_bags(features, offsets)
    return (bags,) if features.single else (bags // len(features), len(features))


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
