"""The loss of a batch and its gradient, in one pass."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.cache import cached
from lowprec.kernels.cuda.launch import THREAD, kernel, launch
from lowprec.scalar.logistic import log_loss, sigmoid


class _Loss(NamedTuple):
    logits: np.ndarray
    y: np.ndarray
    dlogits: np.ndarray
    losses: np.ndarray


class _LossNumbers(NamedTuple):
    size: np.float32


@cached
@njit(**THREAD)
def _logistic_loss(thread, threads, arrays, numbers):
    for i in range(thread, arrays.logits.size, threads):
        logit, label = arrays.logits[i], arrays.y[i]
        arrays.losses[i] = log_loss(logit, label)
        arrays.dlogits[i] = (sigmoid(logit) - label) / numbers.size


_run_logistic_loss = kernel(_logistic_loss)


def logistic_loss(logits, y, dlogits):
    """The mean log loss, a number of the device; its slopes go into `dlogits`."""
    losses = dlogits.copy()
    arrays = _Loss(logits, y, dlogits, losses)
    launch(_run_logistic_loss, logits.size, arrays, _LossNumbers(np.float32(logits.size)))
    return losses.mean()
