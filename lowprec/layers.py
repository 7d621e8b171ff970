"""Dense layers as pairs of functions: ``forward`` gives outputs, ``backward`` gives gradients.

A gradient is named after what it belongs to with a ``d`` in front: ``dx = dLoss/dx``.  Everything
is float32; B is the batch, D the embedding dimension, F the number of features.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.device import Device

Float = NDArray[np.float32]
Parameters = list[tuple[Float, Float]]  # one (weight, bias) a layer


def linear_forward(x: Float, weight: Float, bias: Float) -> Float:
    """x (B, in), weight (in, out), bias (out,) -> (B, out)."""
    y = x @ weight
    y += bias
    return y


def linear_backward(dy: Float, x: Float, weight: Float) -> tuple[Float, Float, Float]:
    """dy (B, out) -> dx (B, in), dweight (in, out), dbias (out,)."""
    return dy @ weight.T, x.T @ dy, dy.sum(axis=0)


def relu_forward(x: Float) -> Float:
    """max(x, 0), in place."""
    return np.maximum(x, np.float32(0.0), out=x)


def relu_backward(dy: Float, y: Float) -> Float:
    """dy where y > 0, else 0, in place."""
    dy *= y > 0
    return dy


def mlp_init(sizes: list[int], rng: np.random.Generator) -> Parameters:
    """Layers of these sizes, initialised as DLRM's: normal, variance 2 / (in + out) and 1 / out."""
    return [
        (
            rng.normal(0.0, np.sqrt(2.0 / (inputs + outputs)), (inputs, outputs)).astype(
                np.float32
            ),
            rng.normal(0.0, np.sqrt(1.0 / outputs), outputs).astype(np.float32),
        )
        for inputs, outputs in pairwise(sizes)
    ]


def mlp_forward(x: Float, parameters: Parameters, *, last_relu: bool) -> list[Float]:
    """The input and every layer's output; ReLU after each layer, after the last if `last_relu`."""
    activations = [x]
    for layer, (weight, bias) in enumerate(parameters):
        y = linear_forward(activations[-1], weight, bias)
        is_last = layer == len(parameters) - 1
        activations.append(y if is_last and not last_relu else relu_forward(y))
    return activations


def mlp_backward(
    dy: Float, activations: list[Float], parameters: Parameters, *, last_relu: bool
) -> tuple[Float, Parameters]:
    """dy (B, out) -> dx (B, in), and the gradients of the parameters, layer by layer."""
    gradients: Parameters = []
    for layer in reversed(range(len(parameters))):
        if last_relu or layer < len(parameters) - 1:
            dy = relu_backward(dy, activations[layer + 1])
        dy, dweight, dbias = linear_backward(dy, activations[layer], parameters[layer][0])
        gradients.insert(0, (dweight, dbias))
    return dy, gradients


def num_pairs(num_features: int) -> int:
    """How many inner products the dot interaction of one dense vector and F embeddings has."""
    return num_features * (num_features + 1) // 2


def dot_forward(device: Device, dense: Float, embeddings: Float) -> Float:
    """dense (B, D), embeddings (B, F, D) -> [dense, inner products of all pairs] (B, D + pairs)."""
    products = np.empty((len(dense), num_pairs(embeddings.shape[1])), np.float32)
    device.kernels.dot_forward(dense, embeddings, products)
    return np.concatenate([dense, products], axis=1)


def dot_backward(device: Device, dy: Float, dense: Float, embeddings: Float) -> tuple[Float, Float]:
    """dy (B, D + pairs) -> ddense (B, D), dembeddings (B, F, D)."""
    dim = dense.shape[1]
    ddense, dembeddings = np.empty_like(dense), np.empty_like(embeddings)
    dproducts = np.ascontiguousarray(dy[:, dim:])
    device.kernels.dot_backward(dproducts, dense, embeddings, ddense, dembeddings)
    ddense += dy[:, :dim]
    return ddense, dembeddings


def cat_forward(dense: Float, embeddings: Float) -> Float:
    """dense (B, D), embeddings (B, F, D) -> side by side (B, D + F * D)."""
    return np.concatenate([dense, embeddings.reshape(len(dense), -1)], axis=1)


def cat_backward(dy: Float, dense: Float, embeddings: Float) -> tuple[Float, Float]:
    """dy (B, D + F * D) -> ddense (B, D), dembeddings (B, F, D)."""
    dim = dense.shape[1]
    return dy[:, :dim].copy(), dy[:, dim:].reshape(embeddings.shape)


def flatten(parameters: Parameters) -> list[Any]:
    """The arrays of all layers in one list."""
    return [array for layer in parameters for array in layer]
