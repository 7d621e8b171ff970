"""The loss of click prediction: of a batch with its gradient, and of single samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.device import Device


def logistic_loss(
    device: Device,
    logits: NDArray[np.float32],
    y: NDArray[np.float32],
    weights: NDArray[np.float32] | None = None,
) -> tuple[Any, NDArray[np.float32]]:
    """The mean log loss of a batch and its gradient with respect to the logits.

    Parameters
    ----------
    device : Device
        Where the arrays are.
    logits : ndarray of float32, shape (B,)
    y : ndarray of float32, shape (B,)
        Labels, 0 or 1.
    weights : ndarray of float32, shape (B,), optional
        What the loss of each sample is multiplied with.  Default: ones.

    Returns
    -------
    loss : float
        The sum over the batch of ``weight * (log(1 + exp(z)) - y * z)``, over B; added up in
        float64.  On a GPU, a number that is there, added up in float32.
    dlogits : ndarray of float32, shape (B,)
        ``weight * ((sigmoid(z) - y) / B)``.

    Examples
    --------
    >>> import numpy as np
    >>> from lowprec.device import get_device
    >>> from lowprec.losses import logistic_loss
    >>> y = np.array([0, 1], np.float32)
    >>> loss, dlogits = logistic_loss(get_device("cpu"), np.zeros(2, np.float32), y)
    >>> round(loss, 4), dlogits
    (0.6931, array([ 0.25, -0.25], dtype=float32))
    """
    dlogits = device.xp.empty_like(logits)
    if weights is None:
        weights = device.xp.empty(0, np.float32)
    return device.kernels.logistic_loss(logits, y, weights, dlogits), dlogits


def logistic_losses(logits: NDArray[np.float64], y: NDArray[np.float32]) -> NDArray[np.float64]:
    """The log loss of each sample, on the host: no logit is clipped.

    Parameters
    ----------
    logits : ndarray of float64, shape (n,)
        May be infinite.
    y : ndarray of float32, shape (n,)
        Labels, 0 or 1.

    Returns
    -------
    ndarray of float64, shape (n,)
        ``log(1 + exp(-z))`` where the label is 1, ``log(1 + exp(z))`` elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> from lowprec.losses import logistic_losses
    >>> losses = logistic_losses(np.array([0.0, -1000.0]), np.array([0, 1], np.float32))
    >>> [round(float(loss), 4) for loss in losses]
    [0.6931, 1000.0]
    """
    return np.logaddexp(0.0, np.where(y == 1, -logits, logits))
