"""From categories to ids."""

import numpy as np

from lowprec.kernels.cuda.launch import kernel, launch
from lowprec.scalar.hashing import MISSING_CATEGORY, category_id

_MISSING = np.uint64(MISSING_CATEGORY)


@kernel
def _hash_categories(thread, threads, values, num_embeddings, ids, in_range):
    features = num_embeddings.size
    for position in range(thread, values.size, threads):
        value, feature = values[position], position % features
        if np.uint64(value) > _MISSING:
            in_range[0] = False
        ids[position] = category_id(value, feature, num_embeddings[feature])


def hash_categories(values, num_embeddings, ids):
    """Ids (int32) of categories (int64); returns whether all can be hashed, (1,).

    Both are flat and sample-major: position p belongs to feature ``p % num_embeddings.size``.
    """
    in_range = np.ones_like(ids, np.bool_, shape=1)
    launch(_hash_categories, values.size, values, num_embeddings, ids, in_range)
    return in_range
