"""Dense layers as pairs of functions: ``forward`` gives outputs, ``backward`` gives gradients.

A gradient is named after what it belongs to with a ``d`` in front: ``dx = dLoss/dx``.  Everything
is float32; B is the batch, D the embedding dimension, F the number of features.

The gradient of a parameter is the sum of those of the batch's parts, of `part` samples each, in
their order: it is the same whatever threads and processes have which part.
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
    found: list[Float] = device.kernels.mlp_forward(x, parameters, last_relu, part, scratch, name)
    return found


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
    by_parts: bool = False,
) -> tuple[Float | None, Parameters]:
    """dy (B, out) -> dx (B, in), or None unless `input_too`, and the gradients of the parameters.

    These are sums over the batch or, `by_parts`, those of its parts.  All are arrays of `scratch`
    whose names begin with `name`.  dy may be overwritten.
    """
    found: tuple[Float | None, Parameters] = device.kernels.mlp_backward(
        dy, activations, parameters, last_relu, input_too, part, by_parts, scratch, name
    )
    return found


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
