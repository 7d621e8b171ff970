"""The loss of a batch and its gradient, in one pass."""

import numpy as np

from lowprec.kernels.cuda.launch import kernel, launch
from lowprec.scalar.logistic import log_loss, sigmoid


@kernel
def _logistic_loss(thread, threads, logits, y, dlogits, losses, size):
    for i in range(thread, logits.size, threads):
        logit, label = logits[i], y[i]
        losses[i] = log_loss(logit, label)
        dlogits[i] = (sigmoid(logit) - label) / size


def logistic_loss(logits, y, dlogits):
    """The mean log loss, a number of the device; its slopes go into `dlogits`."""
    losses = dlogits.copy()
    launch(_logistic_loss, logits.size, logits, y, dlogits, losses, np.float32(logits.size))
    return losses.mean()
