"""What dense layers need beside matrix products: bias and ReLU, both ways."""

import numpy as np

from lowprec.kernels.cuda.launch import kernel, launch

_BIAS_BLOCK = 32  # rows whose gradients are added up apart, one after the other


@kernel
def _add_bias(thread, threads, y, bias, floor):
    columns = bias.size
    place = thread
    while place < y.size:
        row = place // columns
        column = place - row * columns
        total = y[row, column] + bias[column]
        # written so that a NaN stays one
        y[row, column] = floor if total < floor else total
        place += threads


def add_bias(y, bias, relu):
    """``y + bias``, or ``max(y + bias, 0)``, in place; y (B, out), bias (out,)."""
    floor = np.float32(0.0 if relu else -np.inf)
    launch(_add_bias, y.size, y, bias, floor)


@kernel
def _bias_backward(thread, threads, dy, y, sums):
    columns = dy.shape[1]
    for place in range(thread, sums.size, threads):
        block = place // columns
        column = place - block * columns
        total = np.float32(0.0)
        stop = (block + 1) * _BIAS_BLOCK
        if stop > len(dy):
            stop = len(dy)
        for row in range(block * _BIAS_BLOCK, stop):
            gradient = dy[row, column] if y[row, column] > np.float32(0.0) else np.float32(0.0)
            dy[row, column] = gradient
            total += gradient
        sums[block, column] = total


def bias_gradients(dy, y, relu, size):
    """dy where y > 0, else 0, in place, if `relu`; returns its sum over the rows, (1, out)."""
    if not relu:
        return dy.sum(axis=0, keepdims=True)
    sums = np.empty_like(dy, shape=(-(-len(dy) // _BIAS_BLOCK), dy.shape[1]))
    launch(_bias_backward, sums.size, dy, y, sums)
    return sums.sum(axis=0, keepdims=True)
