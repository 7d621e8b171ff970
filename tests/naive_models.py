"""Slow, obvious versions of the recommenders' losses, in float64, and samples to try them on.

From the papers' equations, one sample and one id at a time; nothing here is imported from the
library.
"""

import numpy as np


def derivative(function, x, direction, step=1e-6):
    """The slope of `function` at float64 array `x` along `direction`, by a central difference."""
    return (function(x + step * direction) - function(x - step * direction)) / (2 * step)


def gradient(function, x, step=1e-6):
    """All partial derivatives of `function` at float64 array `x`, one by one."""
    slopes = np.empty_like(x)
    for k in range(x.size):
        direction = np.zeros(x.size)
        direction[k] = 1.0
        slopes.flat[k] = derivative(function, x, direction.reshape(x.shape), step)
    return slopes


# --- the models ---


def bag(indices, offsets, sample, feature, features):
    """The ids of one feature of one sample."""
    if offsets is None:
        return [indices[sample, feature]]
    k = sample * features + feature
    return indices[offsets[k] : offsets[k + 1]]


def embeddings(table, sizes, X):
    """float64 (samples, features, dim): the sum of the rows of each bag, times their weights."""
    dense, indices, offsets, weights = X
    starts = np.cumsum([0, *sizes])
    out = np.zeros((len(dense), len(sizes), table.shape[1]))
    for b in range(len(dense)):
        for f in range(len(sizes)):
            rows = bag(indices, offsets, b, f, len(sizes))
            factors = [1.0] * len(rows)
            if weights is not None:
                factors = bag(weights, offsets, b, f, len(sizes))
            for index, factor in zip(rows, factors, strict=True):
                out[b, f] += float(factor) * table[starts[f] + index]
    return out


def log_loss(logits, y):
    """The mean of -log of the probability that each label was given."""
    total = 0.0
    for z, label in zip(logits, y, strict=True):
        total += np.log1p(np.exp(-z)) if label == 1 else np.log1p(np.exp(z))
    return total / len(logits)


def logistic_loss(parameters, sizes, X, y, l2=0.0):
    """parameters: table (rows, 1), coef, intercept; the penalty is on all but the intercept."""
    table, coef, intercept = parameters
    of_ids = embeddings(table, sizes, X).sum(axis=(1, 2))
    logits = intercept[0] + of_ids + X[0] @ coef
    return log_loss(logits, y) + l2 / 2 * ((table**2).sum() + (coef**2).sum())


def mlp(x, layers, last_relu):
    for number, (weight, bias) in enumerate(layers):
        x = x @ weight + bias
        if last_relu or number < len(layers) - 1:
            x = np.where(x > 0, x, 0.0)
    return x


def dlrm_loss(parameters, num_bottom, interaction, sizes, X, y):
    """parameters: table, then weight and bias of each layer; `num_bottom` are of the bottom MLP."""
    table, *rest = parameters
    layers = list(zip(rest[::2], rest[1::2], strict=True))
    bottom = mlp(X[0], layers[:num_bottom], last_relu=True)
    rows = embeddings(table, sizes, X)
    logits = []
    for b in range(len(bottom)):
        vectors = [bottom[b], *rows[b]]
        joined = list(bottom[b])
        if interaction == "dot":
            joined += [vectors[i] @ vectors[j] for i in range(len(vectors)) for j in range(i)]
        else:
            joined += list(rows[b].ravel())
        logits.append(mlp(np.array(joined), layers[num_bottom:], last_relu=False)[0])
    return log_loss(logits, y)


# --- samples ---


def in_float64(X):
    """(dense in float64, indices, offsets or None, weights or None) of a model's X."""
    dense, *rest = X
    return (dense.astype(np.float64), *rest, *[None] * (3 - len(rest)))


def samples(n, sizes, num_dense, jagged=False, seed=0, weighted=False):
    """X = (dense, indices), (dense, indices, offsets) or these with weights, and y, at random."""
    X, y = _samples(n, sizes, num_dense, jagged, seed)
    if not weighted:
        return X, y
    weights = np.random.default_rng(seed).normal(size=X[1].shape).astype(np.float32)
    return (*X, *[None] * (3 - len(X)), weights), y


def _samples(n, sizes, num_dense, jagged, seed):
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(n, num_dense)).astype(np.float32)
    y = rng.integers(0, 2, n)
    if not jagged:
        return (dense, rng.integers(0, sizes, (n, len(sizes)))), y
    counts = rng.integers(0, 4, n * len(sizes))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    limits = np.repeat(np.tile(sizes, n), counts)
    return (dense, rng.integers(0, limits), offsets), y
