"""Loops over the layers of a network, whose arrays stand in a table of addresses.

A batch is cut into parts of equally many samples, whatever the threads are.  The parts are those of
the whole batch, of which a process may have some: a part's outputs and sums are the same in any of
them.
"""

from typing import NamedTuple

import numpy as np

from lowprec.kernels.cpu.addresses import rows_at
from lowprec.kernels.cpu.compiling import parallel, serial
from lowprec.kernels.cpu.options import PART, SERIAL
from lowprec.kernels.cpu.parts import in_parts
from lowprec.kernels.cpu.products import (
    AS_IT_IS,
    TRANSPOSED,
    add_up,
    multiply,
    multiply_column,
    sum_rows_times,
)
from lowprec.scalar.internal import internal

# A layer in the table of all: sizes, and addresses, which are 0 where there is no such array, and
# of the first layer's x and the last one's dy, which are others in each batch.
_INPUTS, _OUTPUTS, _WEIGHT, _BIAS, _X, _Y = range(6)
# Of the way back, too: the gradients of x and y, of the parameters by parts, and their sums.
_DX, _DY, _DWEIGHTS, _DBIASES, _DWEIGHT, _DBIAS = range(6, 12)


class _Batch(NamedTuple):
    """The samples of a batch, as integers, which are given to kernels one by one.

    A field of a tuple takes Numba a microsecond.
    """

    samples: int
    size: int  # samples of a part
    x: int  # the address of what goes into the first layer
    dy: int  # of the gradient of what comes out of the last


@internal(**SERIAL)
def _add_bias(y, bias, relu):
    """``y + bias``, or ``max(y + bias, 0)``, in place; y (B, out), bias (out,)."""
    floor = np.float32(0.0 if relu else -np.inf)
    for row in range(len(y)):
        values = y[row]
        for c in range(bias.size):
            total = values[c] + bias[c]
            # written so that a NaN stays one
            values[c] = floor if total < floor else total


@internal(**SERIAL)
def _bias_backward(dy, y, relu, sums):
    """dy where y > 0, else 0, in place, if `relu`; its `sums` over all rows, (out,)."""
    sums[:] = np.float32(0.0)
    for row in range(len(dy)):
        gradients, values = dy[row], y[row]
        for c in range(sums.size):
            gradient = gradients[c]
            if relu:
                gradient = gradient if values[c] > np.float32(0.0) else np.float32(0.0)
                gradients[c] = gradient
            sums[c] += gradient


@internal(**SERIAL)
def _forward_part(routine, like, batch, layers, last_relu, part):
    first = part * batch.size
    rows = min(batch.size, batch.samples - first)
    for layer in range(len(layers)):
        of = layers[layer]
        inputs, outputs = of[_INPUTS], of[_OUTPUTS]
        x = rows_at(of[_X] if layer > 0 else batch.x, first, rows, inputs, like.dtype)
        y = rows_at(of[_Y], first, rows, outputs, like.dtype)
        weight = rows_at(of[_WEIGHT], 0, inputs, outputs, like.dtype)
        if outputs == 1:
            multiply_column(x, weight.reshape(inputs), y.reshape(rows))
        else:
            multiply(routine, weight, AS_IT_IS, x, AS_IT_IS, inputs, y)
        bias = rows_at(of[_BIAS], 0, 1, outputs, like.dtype)[0]
        _add_bias(y, bias, last_relu or layer + 1 < len(layers))


@parallel
def forward(routine, like, samples, size, x, dy, layers, last_relu, t, threads):
    """The outputs of all layers, of which a part goes through one after the other.

    `routine` is the address of BLAS's, and `like` an array of the dtype of all.
    """
    batch, count = _Batch(samples, size, x, dy), -(-samples // size)
    for part in range(t * count // threads, (t + 1) * count // threads):
        _forward_part(routine, like, batch, layers, last_relu, part)


@internal(**SERIAL)
def _backward_part(routine, like, batch, layers, last_relu, layer, part):
    of, first, is_last = layers[layer], part * batch.size, layer + 1 == len(layers)
    rows, inputs, outputs = min(batch.size, batch.samples - first), of[_INPUTS], of[_OUTPUTS]
    x = rows_at(of[_X] if layer > 0 else batch.x, first, rows, inputs, like.dtype)
    y = rows_at(of[_Y], first, rows, outputs, like.dtype)
    dy = rows_at(batch.dy if is_last else of[_DY], first, rows, outputs, like.dtype)
    dweight = rows_at(of[_DWEIGHTS], part * inputs, inputs, outputs, like.dtype)
    dbias = rows_at(of[_DBIASES], part, 1, outputs, like.dtype)[0]
    _bias_backward(dy, y, last_relu or not is_last, dbias)
    if of[_DX] != 0:
        weight = rows_at(of[_WEIGHT], 0, inputs, outputs, like.dtype)
        dx = rows_at(of[_DX], first, rows, inputs, like.dtype)
        multiply(routine, weight, TRANSPOSED, dy, AS_IT_IS, outputs, dx)
    if outputs == 1:
        sum_rows_times(x, dy.reshape(rows), dweight.reshape(inputs))
    else:
        multiply(routine, dy, AS_IT_IS, x, TRANSPOSED, rows, dweight)


@internal(**PART)
def _backward_parts(routine, like, batch, layers, last_relu, layer, t, threads):
    count = -(-batch.samples // batch.size)
    for part in range(t * count // threads, (t + 1) * count // threads):
        _backward_part(routine, like, batch, layers, last_relu, layer, part)


@internal(**SERIAL)
def _add_up_share(like, parts, count, total, numbers, t, threads):
    sums = rows_at(total, 0, 1, numbers, like.dtype)[0]
    by_parts = rows_at(parts, 0, count, numbers, like.dtype)
    add_up(by_parts, sums, t * numbers // threads, (t + 1) * numbers // threads)


@internal(**PART)
def _add_up_layer(like, batch, of, t, threads):
    count, outputs = -(-batch.samples // batch.size), of[_OUTPUTS]
    numbers = of[_INPUTS] * outputs
    _add_up_share(like, of[_DWEIGHTS], count, of[_DWEIGHT], numbers, t, threads)
    _add_up_share(like, of[_DBIASES], count, of[_DBIAS], outputs, t, threads)


@serial
def backward(routine, like, samples, size, x, dy, layers, last_relu, threads):
    """The gradients of all layers, the last one first: all parts, and then the sums over them."""
    batch = _Batch(samples, size, x, dy)
    for back in range(len(layers)):
        layer = len(layers) - 1 - back
        in_parts(_backward_parts, routine, like, batch, layers, last_relu, layer, threads)
        if layers[layer, _DBIAS] != 0:  # while they are in the caches
            in_parts(_add_up_layer, like, batch, layers[layer], threads)
