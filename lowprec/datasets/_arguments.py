"""Checks of the arguments that the data sets share."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, SupportsIndex

# Ids are int32, and so are the largest tables: 2**31 ids are 0..2**31 - 1.
MAX_NUM_EMBEDDINGS = 2**31


def as_integer(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int in [low, high]; TypeError or ValueError naming the argument."""
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if not low <= number <= high:
        raise ValueError(f"{name} must be in [{low}, {high}], got {number}")
    return number


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
    size = as_integer("num_embeddings", num_embeddings, 1, MAX_NUM_EMBEDDINGS)
    return (size,) * (1 if num_features is None else num_features)


def _as_size_per_feature(sizes: tuple[Any, ...], num_features: int | None) -> tuple[int, ...]:
    if num_features is not None and len(sizes) != num_features:
        raise ValueError(f"num_embeddings must have {num_features} entries, got {len(sizes)}")
    if not sizes:
        raise ValueError("num_embeddings must have at least one entry, got none")
    return tuple(
        as_integer(f"num_embeddings[{feature}]", size, 1, MAX_NUM_EMBEDDINGS)
        for feature, size in enumerate(sizes)
    )
