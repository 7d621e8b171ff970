"""The dot interaction of DLRM: the inner products of every pair of vectors of a sample.

The vectors of a sample are v[0], the dense one, and v[1] to v[F], its embeddings.  Pair (i, j) with
j < i is number ``i * (i - 1) / 2 + j``.  A row of the interaction is [v[0], all pairs].
"""

import numpy as np
from numba import njit

from lowprec.kernels.cuda.launch import INLINE, after, kernel, launch, one_for_each
from lowprec.scalar.bits import fma


@njit(**INLINE)
def _vector(dense, embeddings, sample, i, column):
    return embeddings[sample, i - 1, column] if i > 0 else dense[sample, column]


@kernel
def _join_dots(thread, threads, dense, with_dense, products, joined, of_vectors):
    vectors, columns = products.shape[1] + 1, dense.shape[1]
    last, shift = of_vectors.threads - 1, of_vectors.shift
    # a thread for each (sample, i, j); where i is 0, it copies columns of the dense vector
    place, end = thread, len(dense) << (2 * shift)
    while place < end:
        sample, i, j = place >> (2 * shift), (place >> shift) & last, place & last
        place = after(place, threads)
        if i >= vectors or j >= vectors:
            continue
        if i == 0:
            column = j
            while column < columns:
                joined[sample, column] = dense[sample, column]
                column = after(column, vectors)
        elif j < i:
            product = products[sample, i - 1, j - 1] if j > 0 else with_dense[sample, i - 1, 0]
            joined[sample, columns + i * (i - 1) // 2 + j] = product


def dot_forward(dense, embeddings, joined):
    """dense (B, D), embeddings (B, F, D) -> joined (B, D + F * (F + 1) / 2)."""
    # all pairs twice, by cuBLAS: threads that take a pair each would read rows that lie apart
    products = embeddings @ embeddings.transpose(0, 2, 1)
    with_dense = embeddings @ dense[:, :, None]
    of_vectors = one_for_each(embeddings.shape[1] + 1)
    size = len(dense) * of_vectors.threads**2
    launch(_join_dots, size, dense, with_dense, products, joined, of_vectors)


@kernel
def _dot_backward(
    thread, threads, djoined, dense, embeddings, ddense, dembeddings, of_vectors, of_row
):
    vectors, columns = embeddings.shape[1] + 1, dense.shape[1]
    place, end = thread, len(dense) << (of_vectors.shift + of_row.shift)
    while place < end:
        vector, column = place >> of_row.shift, place & (of_row.threads - 1)
        sample, i = vector >> of_vectors.shift, vector & (of_vectors.threads - 1)
        place = after(place, threads)
        if i >= vectors or column >= columns:
            continue
        total = djoined[sample, column] if i == 0 else np.float32(0.0)
        for j in range(vectors):
            factor = np.float32(0.0)
            if j != i:
                high, low = (i, j) if j < i else (j, i)
                factor = djoined[sample, columns + high * (high - 1) // 2 + low]
            total = fma(factor, _vector(dense, embeddings, sample, j, column), total)
        if i == 0:
            passed = dense[sample, column] > np.float32(0.0)
            ddense[sample, column] = total if passed else np.float32(0.0)
        else:
            dembeddings[sample, i - 1, column] = total


def dot_backward(djoined, dense, embeddings, ddense, dembeddings):
    """The gradients of `dot_forward`, of the shapes of `dense` and `embeddings`.

    `dense` came out of a ReLU; its gradient is with respect to what went in.
    """
    of_vectors, of_row = one_for_each(embeddings.shape[1] + 1), one_for_each(dense.shape[1])
    launch(
        _dot_backward, len(dense) * of_vectors.threads * of_row.threads,
        djoined, dense, embeddings, ddense, dembeddings, of_vectors, of_row,
    )  # fmt: skip
