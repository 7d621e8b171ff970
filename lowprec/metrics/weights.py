"""Weights of samples and of users, and means with them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.metrics.checks import as_vector, raise_at_first

Weights = NDArray[np.float64] | None


def check_weights(sample_weight: ArrayLike | None, count: int, of: str = "sample") -> Weights:
    """Weights in float64, times the power of two that brings the largest into [0.5, 1).

    That changes no mean, and sums of them do not overflow.
    """
    if sample_weight is None:
        return None
    given = as_vector("sample_weight", sample_weight)
    if given.size != count:
        raise ValueError(
            f"sample_weight must have one weight for each {of}, {count}, got {given.size}"
        )
    with np.errstate(over="ignore"):  # of wider floats; infinity is found below
        weights = given.astype(np.float64)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    raise_at_first("sample_weight", given, bad, "is not finite and at least 0")
    if not weights.any():
        raise ValueError(f"sample_weight is 0 for all {count}: at least one must be above 0")
    return np.ldexp(weights, -np.frexp(weights.max())[1])


def mean(values: NDArray[np.floating] | NDArray[np.bool_], weights: Weights) -> float:
    """The mean of values, with weights where there are some."""
    if weights is None:
        return float(values.mean())
    return float((values * weights).sum() / weights.sum())
