"""Samples that follow each other, as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.samples import Samples


def join(parts: Sequence[Samples]) -> Samples:
    """The samples of all parts in order; a single part as it is.

    Where one part has bags or weights of ids, others become bags of one id, or get weights of 1.
    `num_embeddings` is that of the parts if they agree.

    Raises
    ------
    ValueError
        If parts differ in their numbers of dense features or features of ids, or in their device.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        _check_alike(first, part)
    xp = first.device.xp
    indices = [part.indices for part in parts]
    offsets = weights = None
    if any(part.offsets is not None for part in parts):
        indices = [ids.reshape(-1) for ids in indices]
        offsets = _join_offsets(parts)
    if any(part.weights is not None for part in parts):
        given = [_weights_of(part, ids) for part, ids in zip(parts, indices, strict=True)]
        weights = xp.concatenate(given)
    dense = xp.concatenate([part.dense for part in parts])
    joined = first._with(dense, xp.concatenate(indices), offsets, weights)
    if any(part.num_embeddings != first.num_embeddings for part in parts):
        joined.num_embeddings = None
    return joined


def _check_alike(first: Samples, other: Samples) -> None:
    if first.device is not other.device:
        raise ValueError("some samples are in the memory of the host, and some in that of a GPU")
    for name in ("num_dense", "num_features"):
        before, here = getattr(first, name), getattr(other, name)
        if before != here:
            what = "dense features" if name == "num_dense" else "features of ids"
            raise ValueError(f"samples have {here} {what}, those before them have {before}")


def _join_offsets(parts: Sequence[Samples]) -> NDArray[np.int64]:
    xp = parts[0].device.xp
    joined, ids = [xp.zeros(1, np.int64)], 0
    for part in parts:
        ends = xp.arange(1, part.indices.size + 1) if part.offsets is None else part.offsets[1:]
        joined.append(ends + ids)
        ids += part.indices.size
    return xp.concatenate(joined)  # type: ignore[no-any-return]


def _weights_of(part: Samples, ids: NDArray[Any]) -> NDArray[Any]:
    if part.weights is None:
        return part.device.xp.ones(ids.shape, np.float32)  # type: ignore[no-any-return]
    return part.weights.reshape(ids.shape)
