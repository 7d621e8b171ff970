"""The dot interaction of DLRM: the inner products of every pair of vectors of a sample.

The vectors of a sample are v[0], the dense one, and v[1] to v[F], its embeddings.  Pair (i, j) with
j < i is number ``i * (i - 1) / 2 + j``.  A row of the interaction is [v[0], all pairs].
"""

import numpy as np

from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH, in_blocks
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.bits import fma
from lowprec.scalar.internal import internal


@internal(**SERIAL)
def _dot_forward_range(dense, embeddings, joined, transposed, products, first, last):
    features, columns = embeddings.shape[1], dense.shape[1]
    padded = transposed.shape[1]
    for b in range(first, last):
        for c in range(columns):
            transposed[c, 0] = dense[b, c]
        for f in range(features):
            for c in range(columns):
                transposed[c, f + 1] = embeddings[b, f, c]
        for i in range(1, features + 1):
            # Lanes are the vectors j; those from i on are overwritten by the next i's products.
            for j in range(0, i, WIDTH):
                total = zeros(transposed, WIDTH)
                for c in range(columns):
                    total = fma(transposed[c, i], load(transposed, c * padded + j, WIDTH), total)
                store(total, products, i * (i - 1) // 2 + j)
        for c in range(columns):
            joined[b, c] = dense[b, c]
        for c in range(columns, joined.shape[1]):
            joined[b, c] = products[c - columns]


@parallel
def _dot_forward(dense, embeddings, joined, transposed, products, t, threads):
    samples = len(dense)
    first, last = t * samples // threads, (t + 1) * samples // threads
    _dot_forward_range(dense, embeddings, joined, transposed[t], products[t], first, last)


def dot_forward(dense, embeddings, joined):
    """dense (B, D), embeddings (B, F, D) -> joined (B, D + F * (F + 1) / 2)."""
    threads = threads_for(joined.size)
    features, columns = embeddings.shape[1:]
    padded = -(-(features + 1) // WIDTH) * WIDTH
    # zeros: lanes beyond the last vector are multiplied too, and must hold no NaN
    transposed = np.zeros((threads, columns, padded), np.float32)
    products = np.empty((threads, joined.shape[1] - columns + WIDTH), np.float32)
    launch(_dot_forward, threads, dense, embeddings, joined, transposed, products)


@internal(forceinline=True, **SERIAL)
def _combine(factors, i, vectors, column, total):
    """The sum over j of ``factors[i, j] * vectors[j]``, from `column` on, as wide as `total`."""
    for j in range(factors.shape[1]):
        total = fma(factors[i, j], load(vectors, j * vectors.shape[1] + column, total), total)
    return total


@internal(**SERIAL)
def _dot_backward_range(
    djoined, dense, embeddings, ddense, dembeddings, factors, vectors, first, last
):
    features, columns = embeddings.shape[1], dense.shape[1]
    whole = in_blocks(columns)
    for b in range(first, last):
        for c in range(columns):
            vectors[0, c] = dense[b, c]
        for f in range(features):
            for c in range(columns):
                vectors[f + 1, c] = embeddings[b, f, c]
        pair = columns
        for i in range(features + 1):
            factors[i, i] = np.float32(0.0)
            for j in range(i):
                factors[i, j] = factors[j, i] = djoined[b, pair]
                pair += 1
        for column in range(0, whole, WIDTH):
            total = load(djoined[b], column, WIDTH)
            store(_combine(factors, 0, vectors, column, total), ddense[b], column)
            for f in range(features):
                total = _combine(factors, f + 1, vectors, column, zeros(vectors, WIDTH))
                store(total, dembeddings[b, f], column)
        for column in range(whole, columns):
            number = load(djoined[b], column, 1)
            store(_combine(factors, 0, vectors, column, number), ddense[b], column)
            for f in range(features):
                number = _combine(factors, f + 1, vectors, column, np.float32(0.0))
                store(number, dembeddings[b, f], column)
        for c in range(columns):
            ddense[b, c] = ddense[b, c] if dense[b, c] > np.float32(0.0) else np.float32(0.0)


@parallel
def _dot_backward(djoined, dense, embeddings, ddense, dembeddings, factors, vectors, t, threads):
    samples = len(dense)
    first, last = t * samples // threads, (t + 1) * samples // threads
    _dot_backward_range(
        djoined, dense, embeddings, ddense, dembeddings, factors[t], vectors[t], first, last
    )


def dot_backward(djoined, dense, embeddings, ddense, dembeddings):
    """The gradients of `dot_forward`, of the shapes of `dense` and `embeddings`.

    `dense` came out of a ReLU; its gradient is with respect to what went in.
    """
    vectors, columns = embeddings.shape[1] + 1, dense.shape[1]
    threads = threads_for(djoined.size)
    factors = np.empty((threads, vectors, vectors), np.float32)
    scratch = np.empty((threads, vectors, columns), np.float32)
    launch(
        _dot_backward, threads, djoined, dense, embeddings, ddense, dembeddings, factors, scratch
    )
