"""From a user's ids to rows of the stacked table."""

import numpy as np

from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import NUMBERS_TO_FIND_A_ROW, launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.search import part_of_bags
from lowprec.scalar.internal import internal


@internal(**SERIAL)
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


@parallel
def _run_rows_of_features(indices, num_embeddings, row_offsets, rows, bags, in_range, t, threads):
    samples = indices.size // num_embeddings.size
    first, last = t * samples // threads, (t + 1) * samples // threads
    in_range[t] = _rows_of_features(indices, num_embeddings, row_offsets, rows, bags, first, last)


def rows_of_features(indices, num_embeddings, row_offsets, rows, bags):
    """Rows (uint32) of one id per feature; returns whether all ids are in range.

    `indices` is flat and sample-major: position p belongs to feature ``p % num_embeddings.size``.
    `bags` (uint32) takes the sample of each position, unless it is empty.
    """
    threads = threads_for(indices.size * NUMBERS_TO_FIND_A_ROW)
    in_range = np.empty(threads, np.bool_)
    launch(
        _run_rows_of_features, threads, indices, num_embeddings, row_offsets, rows, bags, in_range
    )
    return all(in_range.tolist())


@internal(**SERIAL)
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


@parallel
def _run_rows_of_bags(
    indices, offsets, num_embeddings, row_offsets, rows, bags, merged, in_range, t, threads
):
    first, last = part_of_bags(offsets, t, threads), part_of_bags(offsets, t + 1, threads)
    in_range[t] = _rows_of_bags(
        indices, offsets, num_embeddings, row_offsets, rows, bags, merged, first, last
    )


def rows_of_bags(indices, offsets, num_embeddings, row_offsets, rows, bags, merged):
    """Rows and bags (uint32) of jagged bags; returns what `rows_of_features` does.

    Bag k is ``indices[offsets[k]:offsets[k + 1]]`` and belongs to feature
    ``k % num_embeddings.size``.  `bags` takes ``k // merged``.
    """
    threads = threads_for(indices.size * NUMBERS_TO_FIND_A_ROW)
    in_range = np.empty(threads, np.bool_)
    launch(
        _run_rows_of_bags, threads,
        indices, offsets, num_embeddings, row_offsets, rows, bags, merged, in_range,
    )  # fmt: skip
    return all(in_range.tolist())
