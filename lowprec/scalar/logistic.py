"""The log loss of one prediction and its slope, in the float type of the prediction."""

import math

import numpy as np

from lowprec.scalar.internal import internal

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@internal(forceinline=True)
def log_loss(logit, label):
    """``log(1 + exp(z)) - y z``, which is -log of the chance given to the label."""
    positive = logit if logit > _ZERO else _ZERO
    return positive - label * logit + math.log1p(math.exp(-abs(logit)))


@internal(forceinline=True)
def sigmoid(logit):
    """``1 / (1 + exp(-z))`` without overflow."""
    small = math.exp(-abs(logit))
    return (_ONE if logit >= _ZERO else small) / (_ONE + small)
