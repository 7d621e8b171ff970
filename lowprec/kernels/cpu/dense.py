"""What dense layers need beside matrix products: bias and ReLU, both ways."""

import numpy as np

from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal


@internal(**SERIAL)
def _add_bias_range(y, bias, relu, first, last):
    floor = np.float32(0.0 if relu else -np.inf)
    for row in range(first, last):
        values = y[row]
        for c in range(bias.size):
            total = values[c] + bias[c]
            # written so that a NaN stays one
            values[c] = floor if total < floor else total


@parallel
def _add_bias(y, bias, relu, t, threads):
    _add_bias_range(y, bias, relu, t * len(y) // threads, (t + 1) * len(y) // threads)


def add_bias(y, bias, relu):
    """``y + bias``, or ``max(y + bias, 0)``, in place; y (B, out), bias (out,)."""
    launch(_add_bias, threads_for(y.size), y, bias, relu)


@internal(**SERIAL)
def _bias_backward_range(dy, y, relu, sums, first, last):
    sums[:] = np.float32(0.0)
    for row in range(first, last):
        gradients, values = dy[row], y[row]
        for c in range(sums.size):
            gradient = gradients[c]
            if relu:
                gradient = gradient if values[c] > np.float32(0.0) else np.float32(0.0)
                gradients[c] = gradient
            sums[c] += gradient


@parallel
def _bias_backward(dy, y, relu, sums, size, t, threads):
    for part in range(t * len(sums) // threads, (t + 1) * len(sums) // threads):
        first, last = part * size, min((part + 1) * size, len(dy))
        _bias_backward_range(dy, y, relu, sums[part], first, last)


def bias_gradients(dy, y, relu, size):
    """dy where y > 0, else 0, in place, if `relu`; returns its sums over parts of `size` rows.

    These are (parts, out).
    """
    sums = np.empty((-(-len(dy) // size), dy.shape[1]), dy.dtype)
    launch(_bias_backward, threads_for(dy.size), dy, y, relu, sums, size)
    return sums
