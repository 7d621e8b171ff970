"""From a user's ids to rows of the stacked table."""

import numpy as np

from lowprec.kernels.cuda.launch import after, kernel, launch, one_for_each


@kernel
def _rows_of_features(
    thread, threads, indices, num_embeddings, row_offsets, rows, bags, with_bags, in_range,
    of_sample,
):  # fmt: skip
    features, place = num_embeddings.size, thread
    while True:
        sample, feature = place >> of_sample.shift, place & (of_sample.threads - 1)
        position = sample * features + feature
        place = after(place, threads)
        if sample * features >= indices.size:
            break
        if feature >= features:
            continue
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
    bags, of_sample = bags if with_bags else rows, one_for_each(num_embeddings.size)
    launch(
        _rows_of_features, indices.size // num_embeddings.size * of_sample.threads,
        indices, num_embeddings, row_offsets, rows, bags, with_bags, in_range, of_sample,
    )  # fmt: skip
    return in_range


@kernel
def _rows_of_bags(
    thread, threads, indices, offsets, num_embeddings, row_offsets, rows, bags, merged, in_range,
    of_sample,
):  # fmt: skip
    features, place = num_embeddings.size, thread
    while True:
        sample, feature = place >> of_sample.shift, place & (of_sample.threads - 1)
        bag = sample * features + feature
        place = after(place, threads)
        if sample * features >= offsets.size - 1:
            break
        if feature >= features:
            continue
        for position in range(offsets[bag], offsets[bag + 1]):
            index = np.int64(indices[position])
            if np.uint64(index) >= np.uint64(num_embeddings[feature]):
                in_range[0] = False
            rows[position] = np.uint32(row_offsets[feature] + index)
            bags[position] = np.uint32(sample if merged else bag)


def rows_of_bags(indices, offsets, num_embeddings, row_offsets, rows, bags, merged):
    """Rows and bags (uint32) of jagged bags; returns what `rows_of_features` does.

    Bag k is ``indices[offsets[k]:offsets[k + 1]]`` and belongs to feature
    ``k % num_embeddings.size``.  `bags` takes ``k // merged``: 1 or all features are merged.
    """
    features, in_range = num_embeddings.size, np.ones_like(rows, np.bool_, shape=1)
    assert merged in (1, features)
    of_sample = one_for_each(features)
    if indices.size:
        launch(
            _rows_of_bags, (offsets.size - 1) // features * of_sample.threads,
            indices, offsets, num_embeddings, row_offsets, rows, bags, merged > 1, in_range,
            of_sample,
        )  # fmt: skip
    return in_range
