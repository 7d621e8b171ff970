"""The loss of a batch and its gradient, in one pass."""

import numpy as np

from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal
from lowprec.scalar.logistic import log_loss, sigmoid

_ONE = np.float32(1.0)
_LOSS_BLOCK = 1024  # samples whose losses are added up apart: the sum is that for any threads
_NUMBERS_A_LOSS = 64  # a loss and its slope take as long as reading so many numbers


@internal(**SERIAL)
def _logistic_loss_range(logits, y, weights, dlogits, first, last):
    total = 0.0
    size = np.float32(logits.size)
    for i in range(first, last):
        weight = weights[i] if weights.size else _ONE
        total += np.float64(weight) * np.float64(log_loss(logits[i], y[i]))
        dlogits[i] = weight * ((sigmoid(logits[i]) - y[i]) / size)
    return total


@parallel
def _logistic_loss(logits, y, weights, dlogits, sums, t, threads):
    for block in range(t * sums.size // threads, (t + 1) * sums.size // threads):
        first, last = block * _LOSS_BLOCK, min((block + 1) * _LOSS_BLOCK, logits.size)
        sums[block] = _logistic_loss_range(logits, y, weights, dlogits, first, last)


def logistic_loss(logits, y, weights, dlogits):
    """The mean log loss, added up in float64; its slopes go into `dlogits`.

    Losses are multiplied with `weights`, if there are any.
    """
    sums = np.empty(-(-logits.size // _LOSS_BLOCK), np.float64)
    launch(
        _logistic_loss,
        threads_for(logits.size * _NUMBERS_A_LOSS),
        logits,
        y,
        weights,
        dlogits,
        sums,
    )
    return float(sums.sum() / logits.size)
