"""Dense layers as pairs of functions: ``forward`` gives outputs, ``backward`` gives gradients.

A gradient is named after what it belongs to with a ``d`` in front: ``dx = dLoss/dx``.  Everything
is float32; B is the batch, D the embedding dimension, F the number of features.

The gradient of a parameter is given by parts of the batch, of `part` samples each, with the axis of
the parts in front: added up in their order, they are the same whatever threads and processes have
which part.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.device import Device
from lowprec.workspace import Allocator

Float = NDArray[np.float32]
Parameters = list[tuple[Float, Float]]  # one (weight, bias) a layer


def linear_forward(
    device: Device, x: Float, weight: Float, bias: Float, *, relu: bool, out: Float, part: int
) -> Float:
    """x (B, in), weight (in, out), bias (out,) -> `out` (B, out), through a ReLU if `relu`."""
    device.kernels.matmul(x, weight, out, part)
    device.kernels.add_bias(out, bias, relu)
    return out


def linear_backward(
    device: Device, dy: Float, y: Float, x: Float, weight: Float, *, relu: bool, out: Float | None,
    part: int, keep_parts: bool = True,
) -> tuple[Float | None, Float, Float]:  # fmt: skip
    """dy (B, out) -> dx (B, in) in `out`, or None without it, and the gradients by parts.

    These are dweight (parts, in, out) and dbias (parts, out).  `y` is what the forward pass gave.
    Unless `keep_parts`, they are added up at once, to one part.  With `relu`, dy is overwritten by
    what passed the ReLU.
    """
    kernels = device.kernels
    dbias = kernels.bias_gradients(dy, y, relu, part)
    if out is not None:
        kernels.matmul_transposed(dy, weight, out, part)
    dweight = kernels.weight_gradients(x, dy, part)
    if not keep_parts:  # while they are in the caches
        dweight, dbias = (kernels.add_parts(each)[None] for each in (dweight, dbias))
    return out, dweight, dbias


def mlp_init(device: Device, sizes: list[int], rng: np.random.Generator) -> Parameters:
    """Layers of these sizes, initialised as DLRM's: normal, variance 2 / (in + out) and 1 / out."""
    parameters = []
    for inputs, outputs in pairwise(sizes):
        weight = rng.normal(0.0, np.sqrt(2.0 / (inputs + outputs)), (inputs, outputs))
        bias = rng.normal(0.0, np.sqrt(1.0 / outputs), outputs)
        layer = tuple(device.asarray(array.astype(np.float32)) for array in (weight, bias))
        parameters.append(layer)
    return parameters


def mlp_forward(
    device: Device,
    scratch: Allocator,
    name: str,
    x: Float,
    parameters: Parameters,
    *,
    last_relu: bool,
    part: int,
) -> list[Float]:
    """The input and every layer's output; ReLU after each layer, after the last if `last_relu`.

    Outputs are arrays of `scratch` whose names begin with `name`.
    """
    activations = [x]
    for layer, (weight, bias) in enumerate(parameters):
        relu = last_relu or layer < len(parameters) - 1
        out = scratch.empty(f"{name}{layer}", (len(x), weight.shape[1]), x.dtype)
        activations.append(
            linear_forward(device, activations[-1], weight, bias, relu=relu, out=out, part=part)
        )
    return activations


def mlp_backward(
    device: Device,
    scratch: Allocator,
    name: str,
    dy: Float,
    activations: list[Float],
    parameters: Parameters,
    *,
    last_relu: bool,
    input_too: bool,
    part: int,
    keep_parts: bool = True,
) -> tuple[Float | None, Parameters]:
    """dy (B, out) -> dx (B, in), or None unless `input_too`, and the gradients by parts.

    dx is an array of `scratch` whose name begins with `name`.
    """
    gradients: Parameters = []
    dx: Float | None = dy
    for layer in reversed(range(len(parameters))):
        assert dx is not None
        x, weight = activations[layer], parameters[layer][0]
        out = None
        if input_too or layer > 0:
            out = scratch.empty(f"d{name}{layer}", x.shape, x.dtype)
        relu = last_relu or layer < len(parameters) - 1
        dx, dweight, dbias = linear_backward(
            device, dx, activations[layer + 1], x, weight, relu=relu, out=out, part=part,
            keep_parts=keep_parts,
        )  # fmt: skip
        gradients.insert(0, (dweight, dbias))
    return dx, gradients


def num_pairs(num_features: int) -> int:
    """How many inner products the dot interaction of one dense vector and F embeddings has."""
    return num_features * (num_features + 1) // 2


def dot_forward(device: Device, scratch: Allocator, dense: Float, embeddings: Float) -> Float:
    """dense (B, D), embeddings (B, F, D) -> [dense, inner products of all pairs] (B, D + pairs)."""
    (samples, dim), features = dense.shape, embeddings.shape[1]
    joined = scratch.empty("joined", (samples, dim + num_pairs(features)), np.float32)
    device.kernels.dot_forward(dense, embeddings, joined)
    return joined


def dot_backward(
    device: Device, scratch: Allocator, djoined: Float, dense: Float, embeddings: Float
) -> tuple[Float, Float]:
    """djoined (B, D + pairs) -> ddense (B, D), dembeddings (B, F, D).

    `dense` came out of a ReLU; ddense is the gradient with respect to what went in.
    """
    ddense = scratch.empty("ddense", dense.shape, np.float32)
    dembeddings = scratch.empty("dembeddings", embeddings.shape, np.float32)
    device.kernels.dot_backward(djoined, dense, embeddings, ddense, dembeddings)
    return ddense, dembeddings


def cat_forward(device: Device, dense: Float, embeddings: Float) -> Float:
    """dense (B, D), embeddings (B, F, D) -> side by side (B, D + F * D)."""
    samples, features, dim = embeddings.shape  # there may be no samples
    flat = embeddings.reshape(samples, features * dim)
    joined: Float = device.xp.concatenate([dense, flat], axis=1)
    return joined


def cat_backward(device: Device, dy: Float, dense: Float, embeddings: Float) -> tuple[Float, Float]:
    """dy (B, D + F * D) -> ddense (B, D), dembeddings (B, F, D).

    `dense` came out of a ReLU; ddense is the gradient with respect to what went in.
    """
    dim = dense.shape[1]
    ddense = device.xp.where(dense > 0, dy[:, :dim], dy.dtype.type(0))
    return ddense, dy[:, dim:].reshape(embeddings.shape)


def flatten(parameters: Parameters) -> list[Any]:
    """The arrays of all layers in one list."""
    return [array for layer in parameters for array in layer]
