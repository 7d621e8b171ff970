"""From a user's ids to rows of the stacked table."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.cache import cached
from lowprec.kernels.cuda.launch import THREAD, kernel, launch


class _Features(NamedTuple):
    indices: np.ndarray
    num_embeddings: np.ndarray
    row_offsets: np.ndarray
    rows: np.ndarray
    bags: np.ndarray
    in_range: np.ndarray


class _FeatureNumbers(NamedTuple):
    with_bags: np.bool_


@cached
@njit(**THREAD)
def _rows_of_features(thread, threads, arrays, numbers):
    features = arrays.num_embeddings.size
    for position in range(thread, arrays.indices.size, threads):
        sample = position // features
        feature = position - sample * features
        index = np.int64(arrays.indices[position])
        if np.uint64(index) >= np.uint64(arrays.num_embeddings[feature]):
            arrays.in_range[0] = False
        arrays.rows[position] = np.uint32(arrays.row_offsets[feature] + index)
        if numbers.with_bags:
            arrays.bags[position] = np.uint32(sample)


_run_rows_of_features = kernel(_rows_of_features)


def rows_of_features(indices, num_embeddings, row_offsets, rows, bags):
    """Rows (uint32) of one id per feature; returns whether all ids are in range, (1,).

    `indices` is flat and sample-major: position p belongs to feature ``p % num_embeddings.size``.
    `bags` (uint32) takes the sample of each position, unless it is empty.
    """
    with_bags, in_range = bags.size > 0, np.ones_like(rows, np.bool_, shape=1)
    arrays = _Features(
        indices, num_embeddings, row_offsets, rows, bags if with_bags else rows, in_range
    )
    launch(_run_rows_of_features, indices.size, arrays, _FeatureNumbers(np.bool_(with_bags)))
    return in_range


class _Bags(NamedTuple):
    indices: np.ndarray
    offsets: np.ndarray
    num_embeddings: np.ndarray
    row_offsets: np.ndarray
    rows: np.ndarray
    bags: np.ndarray
    in_range: np.ndarray


class _BagNumbers(NamedTuple):
    merged: np.int64


@cached
@njit(**THREAD)
def _rows_of_bags(thread, threads, arrays, numbers):
    features = arrays.num_embeddings.size
    for bag in range(thread, arrays.offsets.size - 1, threads):
        feature = bag % features
        for position in range(arrays.offsets[bag], arrays.offsets[bag + 1]):
            index = np.int64(arrays.indices[position])
            if np.uint64(index) >= np.uint64(arrays.num_embeddings[feature]):
                arrays.in_range[0] = False
            arrays.rows[position] = np.uint32(arrays.row_offsets[feature] + index)
            arrays.bags[position] = np.uint32(bag // numbers.merged)


_run_rows_of_bags = kernel(_rows_of_bags)


def rows_of_bags(indices, offsets, num_embeddings, row_offsets, rows, bags, merged):
    """Rows and bags (uint32) of jagged bags; returns what `rows_of_features` does.

    Bag k is ``indices[offsets[k]:offsets[k + 1]]`` and belongs to feature
    ``k % num_embeddings.size``.  `bags` takes ``k // merged``.
    """
    in_range = np.ones_like(rows, np.bool_, shape=1)
    if indices.size:
        arrays = _Bags(indices, offsets, num_embeddings, row_offsets, rows, bags, in_range)
        launch(_run_rows_of_bags, offsets.size - 1, arrays, _BagNumbers(np.int64(merged)))
    return in_range
