"""Reading a batch from a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.batch import Batch, make_batch
from lowprec.device import Device
from lowprec.tables.rows import at_hand
from lowprec.tables.shard import batch_in_shard
from lowprec.tables.store import Store
from lowprec.typing import Pooling


def as_batch(
    store: Store,
    indices: Any,
    offsets: Any,
    pooling: Pooling,
    per_sample_weights: Any,
    across_features: bool,
) -> Batch:
    """A checked batch from what a user gave: its arrays, or one that `batch` made before."""
    if not isinstance(indices, Batch):
        ids = store._device.asarray(indices, "indices")
        made = batch_of_whole(store, ids, offsets, pooling, per_sample_weights, across_features)
        padding = store.padding_idx is not None
        return batch_in_shard(store._device, store._shard, made, ids, padding)
    given = offsets is not None or per_sample_weights is not None
    if given or pooling != "sum" or across_features:
        raise ValueError(
            "a Batch already contains offsets, pooling, per_sample_weights and "
            "across_features: leave them out"
        )
    if indices.features is not store._features:
        raise ValueError("this Batch was made by another table")
    return indices


def batch_of_whole(
    store: Store, indices: Any, offsets: Any, pooling: Pooling, weights: Any, across_features: bool
) -> Batch:
    """A checked batch with row numbers of the whole table, also if `store` is a shard."""
    return make_batch(
        store._device, store._features, indices, offsets, pooling, weights, across_features,
        padding=store.padding_idx is not None,
    )  # fmt: skip


@in_standard_arithmetic
def look_up(store: Store, batch: Batch, out: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """The pooled rows of a batch, in `out` if it is given."""
    result = _check_out(store, out, batch)
    flat = store._device.xp.asarray(result).reshape(-1, store.embedding_dim)
    words, rows = at_hand(store, batch.rows)
    pool(store._device, words, rows, batch, flat)
    return result


def pool(device: Device, words: Any, rows: NDArray[np.uint32], batch: Batch, out: Any) -> None:
    """The pooled bags of a batch whose `rows` are those of `words`, into `out` (bags, columns)."""
    if batch.offsets is None and not batch.id_weights.size:
        device.kernels.gather(words, rows, out)
        return
    bounds, weights = batch.offsets, batch.id_weights
    if bounds is None:
        bounds = device.xp.arange(batch.rows.size + 1, dtype=np.int64)
    device.kernels.pool(words, rows, bounds, weights, batch.mean, out)


def _check_out(store: Store, out: NDArray[np.float32] | None, batch: Batch) -> NDArray[np.float32]:
    xp, shape = store._device.xp, (*batch.shape, store.embedding_dim)
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
    for read in (store._weight, batch.offsets, batch.id_weights):
        if read is not None and store._device.may_share_memory(out, read):
            raise ValueError("out shares memory with the table or the batch")
    return out
