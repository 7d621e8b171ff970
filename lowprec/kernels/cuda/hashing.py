"""From categories to ids."""

import numpy as np

from lowprec.kernels.cuda.launch import after, kernel, launch, one_for_each
from lowprec.scalar.hashing import MISSING_CATEGORY, category_id

_MISSING = np.uint64(MISSING_CATEGORY)


@kernel
def _hash_categories(thread, threads, values, num_embeddings, ids, in_range, of_sample):
    features, place = num_embeddings.size, thread
    while True:
        sample, feature = place >> of_sample.shift, place & (of_sample.threads - 1)
        position = sample * features + feature
        place = after(place, threads)
        if sample * features >= values.size:
            break
        if feature >= features:
            continue
        value = values[position]
        if np.uint64(value) > _MISSING:
            in_range[0] = False
        ids[position] = category_id(value, feature, num_embeddings[feature])


def hash_categories(values, num_embeddings, ids):
    """Ids (int32) of categories (int64); returns whether all can be hashed, (1,).

    Both are flat and sample-major: position p belongs to feature ``p % num_embeddings.size``.
    """
    in_range, of_sample = np.ones_like(ids, np.bool_, shape=1), one_for_each(num_embeddings.size)
    launch(
        _hash_categories, values.size // num_embeddings.size * of_sample.threads,
        values, num_embeddings, ids, in_range, of_sample,
    )  # fmt: skip
    return in_range
