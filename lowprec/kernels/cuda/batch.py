"""From a user's ids to rows of the stacked table."""

import numpy as np

from lowprec.kernels.cuda.launch import kernel, launch


@kernel
def _rows_of_features(
    thread, threads, indices, num_embeddings, row_offsets, rows, bags, with_bags, in_range
):
    features = num_embeddings.size
    for position in range(thread, indices.size, threads):
        sample = position // features
        feature = position - sample * features
        index = np.int64(indices[position])
        if np.uint64(index) >= np.uint64(num_embeddings[feature]):
            in_range[0] = False
        rows[position] = np.uint32(row_offsets[feature] + index)
        if with_bags:
            bags[position] = np.uint32(sample)


def rows_of_features(indices, num_embeddings, row_offsets, rows, bags):
    """Rows (uint32) of one id per feature; returns whether all ids are in range, (1,).

    `indices` is flat and sample-major: position p belongs to feature ``p % num_embeddings.size``.
    `bags` (uint32) takes the sample of each position, unless it is empty.
    """
    with_bags, in_range = bags.size > 0, np.ones_like(rows, np.bool_, shape=1)
    bags = bags if with_bags else rows
    launch(
        _rows_of_features, indices.size,
        indices, num_embeddings, row_offsets, rows, bags, with_bags, in_range,
    )  # fmt: skip
    return in_range


@kernel
def _rows_of_bags(
    thread, threads, indices, offsets, num_embeddings, row_offsets, rows, bags, merged, in_range
):
    features = num_embeddings.size
    for bag in range(thread, offsets.size - 1, threads):
        feature = bag % features
        for position in range(offsets[bag], offsets[bag + 1]):
            index = np.int64(indices[position])
            if np.uint64(index) >= np.uint64(num_embeddings[feature]):
                in_range[0] = False
            rows[position] = np.uint32(row_offsets[feature] + index)
            bags[position] = np.uint32(bag // merged)


def rows_of_bags(indices, offsets, num_embeddings, row_offsets, rows, bags, merged):
    """Rows and bags (uint32) of jagged bags; returns what `rows_of_features` does.

    Bag k is ``indices[offsets[k]:offsets[k + 1]]`` and belongs to feature
    ``k % num_embeddings.size``.  `bags` takes ``k // merged``.
    """
    in_range = np.ones_like(rows, np.bool_, shape=1)
    if indices.size:
        launch(
            _rows_of_bags, offsets.size - 1,
            indices, offsets, num_embeddings, row_offsets, rows, bags, merged, in_range,
        )  # fmt: skip
    return in_range
