"""The loss of click prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit


def logistic_loss(
    logits: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[float, NDArray[np.float32]]:
    """The mean log loss of a batch and its gradient with respect to the logits.

    Parameters
    ----------
    logits : ndarray of float32, shape (B,)
    y : ndarray of float32, shape (B,)
        Labels, 0 or 1.

    Returns
    -------
    loss : float
        The mean over the batch of ``log(1 + exp(z)) - y * z``.
    dlogits : ndarray of float32, shape (B,)
        ``(sigmoid(z) - y) / B``.

    Examples
    --------
    >>> import numpy as np
    >>> from lowprec.losses import logistic_loss
    >>> loss, dlogits = logistic_loss(np.zeros(2, np.float32), np.array([0, 1], np.float32))
    >>> round(loss, 4), dlogits
    (0.6931, array([ 0.25, -0.25], dtype=float32))
    """
    loss = np.logaddexp(np.float32(0.0), logits) - y * logits
    dlogits = (expit(logits) - y) / np.float32(len(y))
    return float(loss.mean(dtype=np.float64)), dlogits
