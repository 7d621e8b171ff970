"""From a user's ids to rows of the stacked table."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.options import PARALLEL, SERIAL
from lowprec.kernels.cpu.search import part_of_bags


@njit(**SERIAL)
def _rows_of_features(indices, num_embeddings, row_offsets, rows, bags, first, last):
    features = num_embeddings.size
    outside = np.int64(0)
    for sample in range(first, last):
        for feature in range(features):
            position = np.uint64(sample * features + feature)
            index = np.int64(indices[position])
            outside += np.uint64(index) >= np.uint64(num_embeddings[feature])
            rows[position] = np.uint32(row_offsets[feature] + index)
            if bags.size:
                bags[position] = np.uint32(sample)
    return outside == 0


@njit(**PARALLEL)
def rows_of_features(indices, num_embeddings, row_offsets, rows, bags, in_range):
    """Rows (uint32) of one id per feature; `in_range` says of each thread's part if all ids are.

    `indices` is flat and sample-major: position p belongs to feature ``p % num_embeddings.size``.
    `bags` (uint32) takes the sample of each position, unless it is empty.
    """
    threads, samples = in_range.size, indices.size // num_embeddings.size
    for t in prange(threads):
        first, last = t * samples // threads, (t + 1) * samples // threads
        in_range[t] = _rows_of_features(
            indices, num_embeddings, row_offsets, rows, bags, first, last
        )


@njit(**SERIAL)
def _rows_of_bags(indices, offsets, num_embeddings, row_offsets, rows, bags, merged, first, last):
    features = num_embeddings.size
    outside = np.int64(0)
    for bag in range(first, last):
        feature = bag % features
        for position in range(np.uint64(offsets[bag]), np.uint64(offsets[bag + 1])):
            index = np.int64(indices[position])
            outside += np.uint64(index) >= np.uint64(num_embeddings[feature])
            rows[position] = np.uint32(row_offsets[feature] + index)
            bags[position] = np.uint32(bag // merged)
    return outside == 0


@njit(**PARALLEL)
def rows_of_bags(indices, offsets, num_embeddings, row_offsets, rows, bags, merged, in_range):
    """Rows and bags (uint32) of jagged bags; `in_range` as for `rows_of_features`.

    Bag k is ``indices[offsets[k]:offsets[k + 1]]`` and belongs to feature
    ``k % num_embeddings.size``.  `bags` takes ``k // merged``.
    """
    threads = in_range.size
    for t in prange(threads):
        first, last = part_of_bags(offsets, t, threads), part_of_bags(offsets, t + 1, threads)
        in_range[t] = _rows_of_bags(
            indices, offsets, num_embeddings, row_offsets, rows, bags, merged, first, last
        )
