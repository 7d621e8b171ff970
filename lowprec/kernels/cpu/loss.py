"""The loss of a batch and its gradient, in one pass."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.scalar.logistic import log_loss, sigmoid

LOSS_BLOCK = 1024  # samples whose losses are added up apart: the sum is that for any threads


@njit(**SERIAL)
def _logistic_loss_range(logits, y, dlogits, first, last):
    total = 0.0
    size = np.float32(logits.size)
    for i in range(first, last):
        total += log_loss(logits[i], y[i])
        dlogits[i] = (sigmoid(logits[i]) - y[i]) / size
    return total


@njit(**PARALLEL)
def logistic_loss(logits, y, dlogits, sums):
    """The log losses (float64) of each LOSS_BLOCK samples into `sums`, the mean's slopes into
    `dlogits`."""
    for block in prange(sums.size):
        first, last = block * LOSS_BLOCK, min((block + 1) * LOSS_BLOCK, logits.size)
        sums[block] = _logistic_loss_range(logits, y, dlogits, first, last)
