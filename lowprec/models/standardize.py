"""Dense features, centred and scaled by their mean and standard deviation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.samples import Samples
from lowprec.device import Device

_SMALLEST_DEVIATION = 1.0 / float(np.finfo(np.float32).max)


def moments(
    samples: Samples, standardized: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean of each dense feature, and the factor that makes its deviation 1; else 0 and 1.

    ValueError names a feature for which float32 has no such factor, or a number that cannot be
    centred.
    """
    num_dense = samples.dense.shape[1]
    if not standardized:
        return np.zeros(num_dense, np.float32), np.ones(num_dense, np.float32)
    to_host = samples.device.to_host
    mean = to_host(samples.dense.mean(axis=0, dtype=np.float64)).astype(np.float32)
    deviation = to_host(samples.dense.std(axis=0, dtype=np.float64))
    small = (deviation > 0) & (deviation < _SMALLEST_DEVIATION)
    if small.any():
        column = int(small.argmax())
        raise ValueError(
            f"dense[:, {column}] has the standard deviation {deviation[column]:.3g}, which "
            f"float32 cannot scale to 1: standardize=True needs 0 or at least "
            f"{_SMALLEST_DEVIATION:.3g}; scale the feature up or leave it out"
        )
    scale = (1.0 / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)
    check(samples, mean, scale)
    return mean, scale


def check(samples: Samples, mean: Any, scale: Any) -> None:
    """ValueError names a dense feature that is not finite once it is standardised."""
    dense, device = samples.dense, samples.device
    if dense.size == 0:
        return
    mean, scale = device.asarray(mean), device.asarray(scale)
    if device.kernels.standardized_is_finite(dense, mean, scale):
        return
    with np.errstate(over="ignore"):  # looked for here
        bad = device.xp.argwhere(~device.xp.isfinite((dense - mean) * scale))
    row, column = map(int, bad[0])
    number, centre, factor = (
        float(each) for each in (dense[row, column], mean[column], scale[column])
    )
    raise ValueError(
        f"dense[{row}, {column}] = {number:.6g} overflows float32 when it is standardised "
        f"by the mean {centre:.3g} and the factor {factor:.3g}"
    )


def apply(device: Device, dense: Any, mean: Any, scale: Any) -> Any:
    """The features of a batch, standardised."""
    return device.kernels.standardize(dense, mean, scale)
