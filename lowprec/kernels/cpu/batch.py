"""From a user's ids to rows of the stacked table."""

import numpy as np
from numba import njit, prange

from lowprec.kernels.cpu.options import PARALLEL

NOT_FOUND = np.iinfo(np.int64).max


@njit(**PARALLEL)
def rows_of_features(indices, num_embeddings, row_offsets, rows):
    """Rows (uint32) of one id per feature; the position of the first bad id, or NOT_FOUND.

    `indices` is flat and sample-major: position p belongs to feature ``p % num_embeddings.size``.
    """
    features = num_embeddings.size
    first_bad = NOT_FOUND
    for sample in prange(indices.size // features):
        bad = NOT_FOUND
        for feature in range(features):
            position = sample * features + feature
            index = np.int64(indices[position])
            if index < 0 or index >= num_embeddings[feature]:
                bad = min(bad, position)
            rows[position] = np.uint32(row_offsets[feature] + index)
        first_bad = min(first_bad, bad)
    return first_bad


@njit(**PARALLEL)
def rows_of_bags(indices, offsets, num_embeddings, row_offsets, rows, bags):
    """Rows and bags (uint32) of jagged bags; the position of the first bad id, or NOT_FOUND.

    Bag k is ``indices[offsets[k]:offsets[k + 1]]`` and belongs to feature
    ``k % num_embeddings.size``.
    """
    features = num_embeddings.size
    first_bad = NOT_FOUND
    for bag in prange(offsets.size - 1):
        feature = bag % features
        bad = NOT_FOUND
        for position in range(offsets[bag], offsets[bag + 1]):
            index = np.int64(indices[position])
            if index < 0 or index >= num_embeddings[feature]:
                bad = min(bad, position)
            rows[position] = np.uint32(row_offsets[feature] + index)
            bags[position] = np.uint32(bag)
        first_bad = min(first_bad, bad)
    return first_bad
