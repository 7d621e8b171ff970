"""The loss of a batch and its gradient, in one pass."""

import numpy as np

from lowprec.kernels.cuda.launch import after, kernel, launch
from lowprec.scalar.logistic import log_loss, sigmoid

_ONE = np.float32(1.0)


@kernel
def _logistic_loss(thread, threads, logits, y, weights, dlogits, losses, size):
    i = thread
    while i < logits.size:
        logit, label = logits[i], y[i]
        weight = weights[i] if weights.size else _ONE
        losses[i] = weight * log_loss(logit, label)
        dlogits[i] = weight * ((sigmoid(logit) - label) / size)
        i = after(i, threads)


def logistic_loss(logits, y, weights, dlogits):
    """The mean log loss, a number of the device; its slopes go into `dlogits`.

    Losses are multiplied with `weights`, if there are any.
    """
    losses = np.empty_like(dlogits)
    size = np.float32(logits.size)
    launch(_logistic_loss, logits.size, logits, y, weights, dlogits, losses, size)
    return losses.mean()
