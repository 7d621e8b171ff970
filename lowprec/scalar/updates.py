"""Optimizer arithmetic: the new float32 value of one weight, before it is rounded and stored."""

import numpy as np
from numba import njit

from lowprec.scalar.bits import fma

# Gradients of one row are summed in pieces of this many, each from zero in batch order, and the
# pieces are then summed in order: a fixed rule that lets many threads share the sum of a hot row.
PIECE = 128


@njit(forceinline=True)
def sgd(weight, gradient, learning_rate):
    """One step of stochastic gradient descent; all float32, rounded once."""
    return fma(np.float32(-learning_rate), gradient, weight)
