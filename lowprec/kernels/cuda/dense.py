"""What dense layers need beside matrix products: bias and ReLU, both ways."""

import numpy as np

from lowprec.kernels.cuda.launch import after, kernel, launch, one_for_each

_BIAS_BLOCK = 32  # rows whose gradients are added up apart, one after the other


@kernel
def _add_bias(thread, threads, y, bias, floor, of_row):
    place, end = thread, len(y) << of_row.shift
    while place < end:
        row, column = place >> of_row.shift, place & (of_row.threads - 1)
        if column < bias.size:
            total = y[row, column] + bias[column]
            # written so that a NaN stays one
            y[row, column] = floor if total < floor else total
        place = after(place, threads)


def add_bias(y, bias, relu):
    """``y + bias``, or ``max(y + bias, 0)``, in place; y (B, out), bias (out,)."""
    floor, of_row = np.float32(0.0 if relu else -np.inf), one_for_each(bias.size)
    launch(_add_bias, len(y) * of_row.threads, y, bias, floor, of_row)


@kernel
def _bias_backward(thread, threads, dy, y, sums, of_row):
    place, end = thread, len(sums) << of_row.shift
    while place < end:
        block, column = place >> of_row.shift, place & (of_row.threads - 1)
        place = after(place, threads)
        if column >= dy.shape[1]:
            continue
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
    of_row = one_for_each(dy.shape[1])
    launch(_bias_backward, len(sums) * of_row.threads, dy, y, sums, of_row)
    return sums.sum(axis=0, keepdims=True)
