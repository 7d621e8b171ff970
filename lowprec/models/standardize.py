"""Dense features, centred and scaled by their mean and standard deviation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.models.data import CheckedSamples


def moments(
    samples: CheckedSamples, standardized: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean of each dense feature, and the factor that makes its deviation 1; else 0 and 1."""
    num_dense = samples.dense.shape[1]
    mean, scale = np.zeros(num_dense), np.ones(num_dense)
    if standardized:
        to_host = samples.device.to_host
        mean = to_host(samples.dense.mean(axis=0, dtype=np.float64))
        deviation = to_host(samples.dense.std(axis=0, dtype=np.float64))
        scale = 1.0 / np.where(deviation > 0, deviation, 1.0)
    return mean.astype(np.float32), scale.astype(np.float32)


def apply(dense: Any, mean: Any, scale: Any) -> Any:
    """The features of a batch, standardised."""
    return (dense - mean) * scale
