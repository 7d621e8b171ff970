"""How many ids each feature of a data set has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, SupportsIndex

from lowprec.checks import check_int

# Ids are int32, and so are the largest tables: 2**31 ids are 0..2**31 - 1.
MAX_NUM_EMBEDDINGS = 2**31


def as_sizes(
    num_embeddings: SupportsIndex | Iterable[SupportsIndex], num_features: int | None
) -> tuple[int, ...]:
    """Ids per feature: a sequence of `num_features` (None: any positive number) entries.

    One integer stands for `num_features` equal ones, or for one feature when that is None.
    """
    # A 0-d array is an Iterable that cannot be iterated: it is one integer.
    is_scalar = isinstance(num_embeddings, str | bytes) or getattr(num_embeddings, "ndim", 1) == 0
    if isinstance(num_embeddings, Iterable) and not is_scalar:
        return _as_size_per_feature(tuple(num_embeddings), num_features)
    size = _check_size("num_embeddings", num_embeddings)
    return (size,) * (1 if num_features is None else num_features)


def _as_size_per_feature(sizes: tuple[Any, ...], num_features: int | None) -> tuple[int, ...]:
    if num_features is not None and len(sizes) != num_features:
        raise ValueError(f"num_embeddings must have {num_features} entries, got {len(sizes)}")
    if not sizes:
        raise ValueError("num_embeddings must have at least one entry, got none")
    return tuple(
        _check_size(f"num_embeddings[{feature}]", size) for feature, size in enumerate(sizes)
    )


def _check_size(name: str, size: Any) -> int:
    return check_int(name, size, low=1, high=MAX_NUM_EMBEDDINGS + 1)
