"""From categories to ids."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.cache import cached
from lowprec.kernels.cuda.launch import THREAD, NoNumbers, kernel, launch
from lowprec.scalar.hashing import MISSING_CATEGORY, category_id

_MISSING = np.uint64(MISSING_CATEGORY)


class _Hash(NamedTuple):
    values: np.ndarray
    num_embeddings: np.ndarray
    ids: np.ndarray
    in_range: np.ndarray


@cached
@njit(**THREAD)
def _hash_categories(thread, threads, arrays, numbers):
    features = arrays.num_embeddings.size
    for position in range(thread, arrays.values.size, threads):
        value, feature = arrays.values[position], position % features
        if np.uint64(value) > _MISSING:
            arrays.in_range[0] = False
        arrays.ids[position] = category_id(value, feature, arrays.num_embeddings[feature])


_run_hash_categories = kernel(_hash_categories)


def hash_categories(values, num_embeddings, ids):
    """Ids (int32) of categories (int64); returns whether all can be hashed, (1,).

    Both are flat and sample-major: position p belongs to feature ``p % num_embeddings.size``.
    """
    in_range = np.ones_like(ids, np.bool_, shape=1)
    arrays = _Hash(values, num_embeddings, ids, in_range)
    launch(_run_hash_categories, values.size, arrays, NoNumbers())
    return in_range
