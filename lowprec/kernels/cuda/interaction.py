"""The dot interaction of DLRM: the inner products of every pair of vectors of a sample.

The vectors of a sample are v[0], the dense one, and v[1] to v[F], its embeddings.  Pair (i, j) with
j < i is number ``i * (i - 1) / 2 + j``.  A row of the interaction is [v[0], all pairs].
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.cache import cached
from lowprec.kernels.cuda.launch import INLINE, THREAD, NoNumbers, kernel, launch
from lowprec.scalar.bits import fma


class _Forward(NamedTuple):
    dense: np.ndarray
    embeddings: np.ndarray
    joined: np.ndarray


@njit(**INLINE)
def _vector(dense, embeddings, sample, i, column):
    return embeddings[sample, i - 1, column] if i > 0 else dense[sample, column]


@cached
@njit(**THREAD)
def _dot_forward(thread, threads, arrays, numbers):
    dense, embeddings, joined = arrays.dense, arrays.embeddings, arrays.joined
    vectors, columns = embeddings.shape[1] + 1, dense.shape[1]
    # a thread for each (sample, i, j); where i is 0, it copies columns of the dense vector
    for place in range(thread, len(dense) * vectors * vectors, threads):
        pair = place // vectors
        j = place - pair * vectors
        sample = pair // vectors
        i = pair - sample * vectors
        if i == 0:
            for column in range(j, columns, vectors):
                joined[sample, column] = dense[sample, column]
        elif j < i:
            total = np.float32(0.0)
            for column in range(columns):
                x = _vector(dense, embeddings, sample, i, column)
                total = fma(x, _vector(dense, embeddings, sample, j, column), total)
            joined[sample, columns + i * (i - 1) // 2 + j] = total


_run_dot_forward = kernel(_dot_forward)


def dot_forward(dense, embeddings, joined):
    """dense (B, D), embeddings (B, F, D) -> joined (B, D + F * (F + 1) / 2)."""
    size = len(dense) * (embeddings.shape[1] + 1) ** 2
    launch(_run_dot_forward, size, _Forward(dense, embeddings, joined), NoNumbers())


class _Backward(NamedTuple):
    djoined: np.ndarray
    dense: np.ndarray
    embeddings: np.ndarray
    ddense: np.ndarray
    dembeddings: np.ndarray


@cached
@njit(**THREAD)
def _dot_backward(thread, threads, arrays, numbers):
    djoined, dense, embeddings = arrays.djoined, arrays.dense, arrays.embeddings
    vectors, columns = embeddings.shape[1] + 1, dense.shape[1]
    for place in range(thread, len(dense) * vectors * columns, threads):
        vector = place // columns
        column = place - vector * columns
        sample = vector // vectors
        i = vector - sample * vectors
        total = djoined[sample, column] if i == 0 else np.float32(0.0)
        for j in range(vectors):
            factor = np.float32(0.0)
            if j != i:
                high, low = (i, j) if j < i else (j, i)
                factor = djoined[sample, columns + high * (high - 1) // 2 + low]
            total = fma(factor, _vector(dense, embeddings, sample, j, column), total)
        if i == 0:
            arrays.ddense[sample, column] = total
        else:
            arrays.dembeddings[sample, i - 1, column] = total


_run_dot_backward = kernel(_dot_backward)


def dot_backward(djoined, dense, embeddings, ddense, dembeddings):
    """The gradients of `dot_forward` with respect to `dense` and `embeddings`, of their shapes."""
    arrays = _Backward(djoined, dense, embeddings, ddense, dembeddings)
    size = dense.size + embeddings.size
    launch(_run_dot_backward, size, arrays, NoNumbers())
