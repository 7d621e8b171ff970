"""The dot interaction of DLRM: the inner products of every pair of vectors of a sample.

The vectors of a sample are v[0], the dense one, and v[1] to v[F], its embeddings.  Pair (i, j) with
j < i is number ``i * (i - 1) / 2 + j``.  A row of the interaction is [v[0], all pairs].
"""

import numpy as np

from lowprec.kernels.blocks import load, store, transpose, zeros
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH, in_blocks
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.bits import fma
from lowprec.scalar.internal import internal

_ROWS = (
    4  # products with so many vectors are added up side by side: one waits for its last addition
)


@internal(forceinline=True, **SERIAL)
def _copy_row(row, to, start):
    """Copy a row, block by block and then number by number."""
    whole = in_blocks(row.size)
    for column in range(0, whole, WIDTH):
        store(load(row, column, WIDTH), to, start + column)
    for column in range(whole, row.size):
        store(load(row, column, 1), to, start + column)


@internal(forceinline=True, **SERIAL)
def _copy_vectors(dense, embeddings, vectors):
    """Copy all vectors of a sample into rows of whole blocks."""
    padded = vectors.shape[1]
    _copy_row(dense, vectors, 0)
    for f in range(len(embeddings)):
        _copy_row(embeddings[f], vectors, (f + 1) * padded)


@internal(forceinline=True, **SERIAL)
def _products_of_rows(transposed, padded, columns, i, found):
    """The products of vectors i to i + 3 with those before, in `found`: a row of blocks for each.

    Lanes are the vectors j.
    """
    for j in range(0, i + _ROWS - 1, WIDTH):
        first = zeros(transposed, WIDTH)
        second, third, fourth = first, first, first
        for c in range(columns):
            start = c * padded
            lanes = load(transposed, start + j, WIDTH)
            first = fma(load(transposed, start + i, 1), lanes, first)
            second = fma(load(transposed, start + i + 1, 1), lanes, second)
            third = fma(load(transposed, start + i + 2, 1), lanes, third)
            fourth = fma(load(transposed, start + i + 3, 1), lanes, fourth)
        store(first, found, j)
        store(second, found, padded + j)
        store(third, found, 2 * padded + j)
        store(fourth, found, 3 * padded + j)


@internal(**SERIAL)
def _dot_forward_range(
    dense, embeddings, joined, vectors, transposed, found, products, first, last
):
    features, columns = embeddings.shape[1], dense.shape[1]
    padded = transposed.shape[1]
    for b in range(first, last):
        _copy_vectors(dense[b], embeddings[b], vectors)
        for column in range(0, columns, WIDTH):
            for j in range(0, features + 1, WIDTH):
                transpose(
                    vectors, j * vectors.shape[1] + column, vectors.shape[1],
                    transposed, column * padded + j, padded, WIDTH,
                )  # fmt: skip
        for start in range(1, features + 1, _ROWS):
            _products_of_rows(transposed, padded, columns, start, found)
            for i in range(start, min(start + _ROWS, features + 1)):
                # lanes from i on are overwritten by the next i's products
                for j in range(0, i, WIDTH):
                    place = (i - start) * padded + j
                    store(load(found, place, WIDTH), products, i * (i - 1) // 2 + j)
        _copy_row(dense[b], joined[b], 0)
        _copy_row(products[: joined.shape[1] - columns], joined[b], columns)


@parallel
def _dot_forward(dense, embeddings, joined, vectors, transposed, found, products, t, threads):
    samples = len(dense)
    first, last = t * samples // threads, (t + 1) * samples // threads
    _dot_forward_range(
        dense, embeddings, joined, vectors[t], transposed[t], found[t], products[t], first, last
    )


def dot_forward(dense, embeddings, joined):
    """dense (B, D), embeddings (B, F, D) -> joined (B, D + F * (F + 1) / 2)."""
    threads = threads_for(joined.size)
    features, columns = embeddings.shape[1:]
    rows, padded = _in_blocks(features + _ROWS), _in_blocks(columns)
    # zeros: what is beyond the last vector is multiplied too, and must hold no NaN
    vectors = np.zeros((threads, rows, padded), np.float32)
    transposed = np.zeros((threads, padded, rows), np.float32)
    found = np.empty((threads, _ROWS * rows), np.float32)
    products = np.empty((threads, joined.shape[1] - columns + WIDTH), np.float32)
    launch(_dot_forward, threads, dense, embeddings, joined, vectors, transposed, found, products)


def _in_blocks(count):
    return -(-count // WIDTH) * WIDTH


@internal(forceinline=True, **SERIAL)
def _add_pairs(djoined, pair, i, vectors, sums, padded):
    """Add the gradients of pairs (i, j), and of (i + 1, j), to the sums of i, i + 1 and all j < i.

    `pair` is the number in `djoined` of (i, 0).
    """
    for column in range(0, padded, WIDTH):
        own = i * padded + column
        vector, next_vector = load(vectors, own, WIDTH), load(vectors, own + padded, WIDTH)
        total = zeros(vectors, WIDTH)
        next_total = total
        for j in range(i):
            place = j * padded + column
            slope, next_slope = load(djoined, pair + j, 1), load(djoined, pair + i + j, 1)
            other = load(vectors, place, WIDTH)
            total = fma(slope, other, total)
            next_total = fma(next_slope, other, next_total)
            of_other = fma(slope, vector, load(sums, place, WIDTH))
            store(fma(next_slope, next_vector, of_other), sums, place)
        slope = load(djoined, pair + i + i, 1)  # of (i + 1, i)
        store(fma(slope, next_vector, total), sums, own)
        store(fma(slope, vector, next_total), sums, own + padded)


@internal(forceinline=True, **SERIAL)
def _add_first_pair(djoined, pair, vectors, sums, padded):
    """Add the gradient of the pair (1, 0)."""
    slope = load(djoined, pair, 1)
    for column in range(0, padded, WIDTH):
        dense, vector = load(vectors, column, WIDTH), load(vectors, padded + column, WIDTH)
        store(fma(slope, vector, load(sums, column, WIDTH)), sums, column)
        store(fma(slope, dense, zeros(sums, WIDTH)), sums, padded + column)


@internal(**SERIAL)
def _dot_backward_range(
    djoined, dense, embeddings, ddense, dembeddings, vectors, sums, first, last
):
    features, columns = embeddings.shape[1], dense.shape[1]
    padded = vectors.shape[1]
    for b in range(first, last):
        slopes = djoined[b]
        _copy_vectors(dense[b], embeddings[b], vectors)
        _copy_row(slopes[:columns], sums, 0)
        for column in range(0, padded, WIDTH):
            # as a pair of the dense vector and itself: a -0.0 becomes a 0.0
            of_dense = fma(np.float32(0.0), load(vectors, column, WIDTH), load(sums, column, WIDTH))
            store(of_dense, sums, column)
        if features % 2 == 1:
            _add_first_pair(slopes, columns, vectors, sums, padded)
        for i in range(1 + features % 2, features, 2):
            _add_pairs(slopes, columns + i * (i - 1) // 2, i, vectors, sums, padded)
        for c in range(columns):
            ddense[b, c] = sums[0, c] if dense[b, c] > np.float32(0.0) else np.float32(0.0)
        for f in range(features):
            _copy_row(sums[f + 1, :columns], dembeddings[b, f], 0)


@parallel
def _dot_backward(djoined, dense, embeddings, ddense, dembeddings, vectors, sums, t, threads):
    samples = len(dense)
    first, last = t * samples // threads, (t + 1) * samples // threads
    _dot_backward_range(
        djoined, dense, embeddings, ddense, dembeddings, vectors[t], sums[t], first, last
    )


def dot_backward(djoined, dense, embeddings, ddense, dembeddings):
    """The gradients of `dot_forward`, of the shapes of `dense` and `embeddings`.

    `dense` came out of a ReLU; its gradient is with respect to what went in.
    """
    threads = threads_for(djoined.size)
    padded = _in_blocks(dense.shape[1])
    # zeros: lanes beyond the last column are multiplied, too
    vectors = np.zeros((threads, embeddings.shape[1] + 1, padded), np.float32)
    sums = np.zeros_like(vectors)
    launch(_dot_backward, threads, djoined, dense, embeddings, ddense, dembeddings, vectors, sums)
