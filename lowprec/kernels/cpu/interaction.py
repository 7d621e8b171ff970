"""The dot interaction of DLRM: the inner products of every pair of vectors of a sample."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.options import PARALLEL, SERIAL


@njit(forceinline=True, **SERIAL)
def _dot(x, y):
    """Inner product over eight running sums: a fixed order that the compiler can vectorise."""
    whole = x.size - x.size % 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = np.float32(0.0)
    for c in range(0, whole, 8):
        s0 += x[c] * y[c]
        s1 += x[c + 1] * y[c + 1]
        s2 += x[c + 2] * y[c + 2]
        s3 += x[c + 3] * y[c + 3]
        s4 += x[c + 4] * y[c + 4]
        s5 += x[c + 5] * y[c + 5]
        s6 += x[c + 6] * y[c + 6]
        s7 += x[c + 7] * y[c + 7]
    for c in range(whole, x.size):
        s0 += x[c] * y[c]
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))


@njit(**SERIAL)
def _dot_forward_sample(dense, embeddings, products):
    pair = 0
    for i in range(embeddings.shape[0]):
        products[pair] = _dot(dense, embeddings[i])
        pair += 1
        for j in range(i):
            products[pair] = _dot(embeddings[i], embeddings[j])
            pair += 1


@njit(**PARALLEL)
def dot_forward(dense, embeddings, products):
    """The inner products of every pair among one dense vector and F embeddings of each sample.

    dense (B, D), embeddings (B, F, D) -> products (B, F * (F + 1) / 2): for each embedding, that
    with the dense vector and then those with the embeddings before it.
    """
    for b in prange(dense.shape[0]):
        _dot_forward_sample(dense[b], embeddings[b], products[b])


@njit(forceinline=True, **SERIAL)
def _accumulate(factor, x, y, dx, dy):
    for c in range(x.size):
        dx[c] += factor * y[c]
        dy[c] += factor * x[c]


@njit(**SERIAL)
def _dot_backward_sample(dproducts, dense, embeddings, ddense, dembeddings):
    ddense[:] = np.float32(0.0)
    dembeddings[:] = np.float32(0.0)
    pair = 0
    for i in range(embeddings.shape[0]):
        _accumulate(dproducts[pair], dense, embeddings[i], ddense, dembeddings[i])
        pair += 1
        for j in range(i):
            _accumulate(
                dproducts[pair], embeddings[i], embeddings[j], dembeddings[i], dembeddings[j]
            )
            pair += 1


@njit(**PARALLEL)
def dot_backward(dproducts, dense, embeddings, ddense, dembeddings):
    """The gradients of `dot_forward` with respect to `dense` and `embeddings`, of their shapes."""
    for b in prange(dense.shape[0]):
        _dot_backward_sample(dproducts[b], dense[b], embeddings[b], ddense[b], dembeddings[b])
