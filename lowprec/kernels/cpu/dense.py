"""What dense layers need beside matrix products: bias and ReLU, both ways."""

import numpy as np

from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal

_BIAS_BLOCK = 256  # rows whose gradients are added up apart: the sum is that for any threads


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
def _bias_backward(dy, y, relu, sums, t, threads):
    for block in range(t * len(sums) // threads, (t + 1) * len(sums) // threads):
        first, last = block * _BIAS_BLOCK, min((block + 1) * _BIAS_BLOCK, len(dy))
        _bias_backward_range(dy, y, relu, sums[block], first, last)


def bias_backward(dy, y, relu):
    """dy where y > 0, else 0, in place, if `relu`; returns its sum over the rows, (out,)."""
    sums = np.empty((-(-len(dy) // _BIAS_BLOCK), dy.shape[1]), dy.dtype)
    launch(_bias_backward, threads_for(dy.size), dy, y, relu, sums)
    return sums.sum(axis=0)
