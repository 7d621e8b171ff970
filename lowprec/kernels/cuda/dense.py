"""Dense layers, one after the other: ``x @ weight + bias``, and ReLU, both ways."""

from typing import Any

import numpy as np

from lowprec.cuda import array_module
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


def bias_gradient(dy, y, relu):
    """dy where y > 0, else 0, in place, if `relu`; returns its sum over the rows, (out,)."""
    if not relu:
        return dy.sum(axis=0)
    sums = np.empty_like(dy, shape=(-(-len(dy) // _BIAS_BLOCK), dy.shape[1]))
    of_row = one_for_each(dy.shape[1])
    launch(_bias_backward, len(sums) * of_row.threads, dy, y, sums, of_row)
    return sums.sum(axis=0)


def mlp_forward(x, parameters, last_relu, size, scratch, name):
    """`x` and each layer's output.

    x (B, in) and the outputs (B, out) are float32; `parameters` are a (weight, bias) of each layer,
    (in, out) and (out,).  ReLU after each layer; after the last, if `last_relu`.  Outputs are
    arrays of `scratch`, whose names begin with `name`.
    """
    activations = [x]
    for layer, (weight, bias) in enumerate(parameters):
        out = scratch.empty(f"{name}{layer}", (len(x), bias.size), x.dtype)
        array_module().matmul(activations[-1], weight, out=out)
        add_bias(out, bias, last_relu or layer + 1 < len(parameters))
        activations.append(out)
    return activations


def mlp_backward(dy, activations, parameters, last_relu, input_too, size, by_parts, scratch, name):
    """The gradient of the input, or None unless `input_too`; and those of each weight and bias.

    `activations` are those of `mlp_forward`.  Gradients of inputs are arrays of `scratch`, whose
    names begin with `name`.  `dy` (B, out) may be overwritten.  There are no parts: these are for
    several processes, which need the CPU.
    """
    assert not by_parts
    gradients: list[Any] = []
    for layer in reversed(range(len(parameters))):
        x, y = activations[layer : layer + 2]
        dbias = bias_gradient(dy, y, last_relu or layer + 1 < len(parameters))
        gradients.insert(0, (x.T @ dy, dbias))
        if layer == 0 and not input_too:
            return None, gradients
        dx = scratch.empty(f"d{name}{layer}", x.shape, x.dtype)
        array_module().matmul(dy, parameters[layer][0].T, out=dx)
        dy = dx
    return dy, gradients
