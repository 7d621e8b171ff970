"""From categories to ids."""

import numpy as np

from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.hashing import MISSING_CATEGORY, category_id
from lowprec.scalar.internal import internal

_MISSING = np.uint64(MISSING_CATEGORY)


@internal(**SERIAL)
def _hash_categories_range(values, num_embeddings, ids, first, last):
    features = num_embeddings.size
    outside = np.int64(0)
    for position in range(first, last):
        value, feature = values[position], position % features
        outside += np.uint64(value) > _MISSING
        ids[position] = category_id(value, feature, num_embeddings[feature])
    return outside == 0


@parallel
def _hash_categories(values, num_embeddings, ids, in_range, t, threads):
    first, last = t * values.size // threads, (t + 1) * values.size // threads
    in_range[t] = _hash_categories_range(values, num_embeddings, ids, first, last)


def hash_categories(values, num_embeddings, ids):
    """Ids (int32) of categories (int64); returns of each part whether all can be hashed.

    Both are flat and sample-major: position p belongs to feature ``p % num_embeddings.size``.
    """
    threads = threads_for(values.size)
    in_range = np.empty(threads, np.bool_)
    launch(_hash_categories, threads, values, num_embeddings, ids, in_range)
    return in_range
