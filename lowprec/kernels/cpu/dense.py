"""Dense layers, one after the other: ``x @ weight + bias``, and ReLU, both ways.

A batch is cut into parts of equally many samples, whatever the threads are.  The parts are those of
the whole batch, of which a process may have some: a part's outputs and sums are the same in any of
them.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from lowprec.kernels.cpu.addresses import address, rows_at
from lowprec.kernels.cpu.blas import gemm, one_thread
from lowprec.kernels.cpu.compiling import parallel, serial
from lowprec.kernels.cpu.launch import launch, threads_for
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

_PRODUCTS_PER_NUMBER = 32  # multiplications that take as long as reading a number
# A layer in the table of all: sizes, and addresses, which are 0 where there is no such array, and
# where it is another one for each batch.
_INPUTS, _OUTPUTS, _WEIGHT, _BIAS, _X, _Y = range(6)
# Of the way back, too: the gradients of x and y, of the parameters by parts, and their sums.
_DX, _DY, _DWEIGHTS, _DBIASES, _DWEIGHT, _DBIAS = range(6, 12)
_LIKE = {dtype: np.empty(0, dtype) for dtype in "fd"}


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
def _forward(routine, like, samples, size, x, dy, layers, last_relu, t, threads):
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
def _backward(routine, like, samples, size, x, dy, layers, last_relu, threads):
    batch = _Batch(samples, size, x, dy)
    for back in range(len(layers)):
        layer = len(layers) - 1 - back
        in_parts(_backward_parts, routine, like, batch, layers, last_relu, layer, threads)
        if layers[layer, _DBIAS] != 0:  # while they are in the caches
            in_parts(_add_up_layer, like, batch, layers[layer], threads)


def _run(kernel, dtype, batch, table, of_sample, last_relu):
    parts = -(-batch.samples // batch.size)
    threads = max(1, min(parts, threads_for(batch.samples * of_sample)))
    with one_thread:
        launch(kernel, threads, gemm(dtype.char), _LIKE[dtype.char], *batch, table, last_relu)


def _table(dtype, parameters, *columns):
    """The table of all layers, and how many numbers a sample is worth; arrays or None."""
    lines = [
        [*weight.shape, *(0 if array is None else address(array, dtype) for array in arrays)]
        for (weight, _), *arrays in zip(parameters, *columns, strict=True)
    ]
    products = sum(weight.size for weight, _ in parameters)
    outputs = sum(bias.size for _, bias in parameters)
    return np.array(lines, np.int64), products // _PRODUCTS_PER_NUMBER + outputs


class _Forward(NamedTuple):
    """The outputs of all layers, and what the kernel takes."""

    outs: list[Any]
    table: Any
    of_sample: int

    @classmethod
    def of(cls, x, parameters, scratch, name):
        """That of a batch; ValueError unless layers fit one another."""
        (samples, inputs), outs = x.shape, []
        for layer, (weight, bias) in enumerate(parameters):
            if weight.shape != (inputs, *bias.shape):
                raise ValueError(
                    f"layer {layer} of {name} has {inputs} inputs and a bias {bias.shape}, but a "
                    f"weight {weight.shape}"
                )
            inputs = bias.size
            outs.append(scratch.empty(f"{name}{layer}", (samples, inputs), x.dtype))
        weights, biases = zip(*parameters, strict=True)
        return cls(outs, *_table(x.dtype, parameters, weights, biases, (None, *outs[:-1]), outs))


class _Backward(NamedTuple):
    """The gradients of inputs and of parameters of all layers, and what the kernel takes."""

    dxs: list[Any]
    gradients: list[Any]
    parts: Any  # whose addresses are in the table
    table: Any
    of_sample: int

    @classmethod
    def of(cls, count, activations, parameters, input_too, by_parts, scratch, name):
        """That of a batch of `count` parts."""
        x, *ys = activations
        weights, biases = zip(*parameters, strict=True)

        def room(kind, shapes):
            return [
                scratch.empty(f"{name} {kind} {layer}", shape, x.dtype)
                for layer, shape in enumerate(shapes)
            ]

        def room_for_parts(kind, arrays):  # of one layer after the other
            most = max(array.size for array in arrays)
            return [scratch.empty(f"{kind} by parts", (count * most,), x.dtype)] * len(arrays)

        front = (count,) if by_parts else ()
        dweights = room("dweight", [(*front, *weight.shape) for weight in weights])
        dbiases = room("dbias", [(*front, *bias.shape) for bias in biases])
        parts, sums = (dweights, dbiases), ([None] * len(ys),) * 2
        if not by_parts and count != 1:
            parts = room_for_parts("dweight", weights), room_for_parts("dbias", biases)
            sums = dweights, dbiases
        dxs = room("dx", [array.shape for array in activations[:-1]])
        if not input_too:
            dxs[0] = None
        columns = (None, *ys[:-1]), ys, dxs, (*dxs[1:], None), *parts, *sums
        table, of_sample = _table(x.dtype, parameters, weights, biases, *columns)
        gradients = list(zip(dweights, dbiases, strict=True))
        return cls(dxs, gradients, parts, table, 2 * of_sample)


def mlp_forward(x, parameters, last_relu, size, scratch, name):
    """`x` and each layer's output, in parts of `size` samples.

    x (B, in) and the outputs (B, out) are float32 or float64; `parameters` are a (weight, bias) of
    each layer, (in, out) and (out,).  ReLU after each layer; after the last, if `last_relu`.
    Outputs are arrays of `scratch`, whose names begin with `name`.
    """
    x = np.ascontiguousarray(x)
    found = scratch.made_of(
        f"{name} forward", list(itertools.chain(*parameters)), x.shape,
        lambda: _Forward.of(x, parameters, scratch, name),
    )  # fmt: skip
    batch = _Batch(len(x), size, address(x, x.dtype), 0)
    _run(_forward, x.dtype, batch, found.table, found.of_sample, last_relu)
    return [x, *found.outs]


def mlp_backward(dy, activations, parameters, last_relu, input_too, size, by_parts, scratch, name):
    """The gradient of the input, or None unless `input_too`; and those of each weight and bias.

    `activations` are those of `mlp_forward`.  Gradients of parameters are sums over the batch or,
    `by_parts`, (parts, ...).  All are arrays of `scratch`, whose names begin with `name`.  `dy`
    (B, out) may be overwritten.
    """
    x, dy = activations[0], np.ascontiguousarray(dy)
    count = -(-len(x) // size)
    found = scratch.made_of(
        f"{name} backward", [*itertools.chain(*parameters), *activations[1:]],
        (len(x), count, input_too, by_parts),
        lambda: _Backward.of(count, activations, parameters, input_too, by_parts, scratch, name),
    )  # fmt: skip
    batch = _Batch(len(x), size, address(x, x.dtype), address(dy, x.dtype))
    _run(_backward, x.dtype, batch, found.table, found.of_sample, last_relu)
    return found.dxs[0], found.gradients
