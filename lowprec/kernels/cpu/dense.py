"""Dense layers, one after the other: ``x @ weight + bias``, and ReLU, both ways.

What the kernels need of all layers is made once, and kept as long as the arrays are the same ones.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from lowprec.kernels.cpu.addresses import address_as
from lowprec.kernels.cpu.blas import gemm, one_thread
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.layers import backward, forward

_PRODUCTS_PER_NUMBER = 32  # multiplications that take as long as reading a number
_LIKE = {dtype: np.empty(0, dtype) for dtype in "fd"}


class _Layers(NamedTuple):
    """What a kernel takes of all layers, beside the batch."""

    routine: int
    like: Any
    table: Any
    of_sample: int  # how many numbers a sample is worth

    @classmethod
    def of(cls, dtype, parameters, products, *columns):
        """From more arrays of each layer, or None: those of `lowprec.kernels.cpu.layers`.

        So many `products` a layer are asked for.
        """
        lines = [
            [
                *arrays[0].shape,
                *(0 if array is None else address_as(dtype, array) for array in arrays),
            ]
            for arrays in zip(*zip(*parameters, strict=True), *columns, strict=True)
        ]
        of_one = sum(weight.size // _PRODUCTS_PER_NUMBER + bias.size for weight, bias in parameters)
        char = dtype.char
        return cls(gemm(char), _LIKE[char], np.array(lines, np.int64), products * of_one)

    def run(self, kernel, samples, size, x, dy, last_relu):
        """Run it with as many threads as this is worth: at most one for each part."""
        most = threads_for(samples * self.of_sample)
        threads = most if most == 1 else max(1, min(most, -(-samples // size)))
        with one_thread:
            launch(
                kernel, threads, self.routine, self.like, samples, size, x, dy, self.table,
                last_relu,
            )  # fmt: skip


class _Forward(NamedTuple):
    """The outputs of all layers, and what the kernel takes."""

    outs: list[Any]
    layers: _Layers

    @classmethod
    def of(cls, x, parameters, scratch, name):
        """Those of a batch; ValueError unless layers fit one another."""
        (samples, inputs), outs = x.shape, []
        for layer, (weight, bias) in enumerate(parameters):
            if weight.shape != (inputs, *bias.shape):
                raise ValueError(
                    f"layer {layer} of {name} has {inputs} inputs and a bias {bias.shape}, but a "
                    f"weight {weight.shape}"
                )
            inputs = bias.size
            outs.append(scratch.empty(f"{name}{layer}", (samples, inputs), x.dtype))
        return cls(outs, _Layers.of(x.dtype, parameters, 1, (None, *outs[:-1]), outs))


class _Backward(NamedTuple):
    """The gradients of the inputs and the parameters of all layers, and what the kernel takes."""

    dxs: list[Any]
    gradients: list[Any]
    parts: Any  # whose addresses are in the table
    layers: _Layers

    @classmethod
    def of(cls, count, activations, parameters, input_too, by_parts, scratch, name):
        """Those of a batch of `count` parts."""
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
        layers = _Layers.of(
            x.dtype, parameters, 2, (None, *ys[:-1]), ys, dxs, (*dxs[1:], None), *parts, *sums
        )
        return cls(dxs, list(zip(dweights, dbiases, strict=True)), parts, layers)


def mlp_forward(x, parameters, last_relu, size, scratch, name):
    """`x` and each layer's output, in parts of `size` samples.

    x (B, in) and the outputs (B, out) are float32 or float64; `parameters` are a (weight, bias) of
    each layer, (in, out) and (out,).  ReLU after each layer; after the last, if `last_relu`.
    Outputs are arrays of `scratch`, whose names begin with `name`.
    """
    x = np.ascontiguousarray(x)
    found = scratch.made_of(
        f"{name} forward", list(itertools.chain(*parameters)), (x.shape, x.dtype),
        lambda: _Forward.of(x, parameters, scratch, name),
    )  # fmt: skip
    found.layers.run(forward, len(x), size, address_as(x.dtype, x), 0, last_relu)
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
    places = address_as(x.dtype, x), address_as(x.dtype, dy)
    found.layers.run(backward, len(x), size, *places, last_relu)
    return found.dxs[0], found.gradients
