"""Bags of numbers, rows of one column, are pooled as any column of wider rows is."""

import numpy as np
import pytest

import lowprec as lp


def bags(rng, sizes, num_rows):
    """Ids and offsets of bags of these sizes."""
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return rng.integers(0, num_rows, offsets[-1]), offsets


@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("sizes", [[0, 1, 2, 0], [45, 0, 3], [26] * 200, [3000, 1, 0, 1, 3000, 7]])
def test_numbers_are_pooled_as_columns_are(sizes, dtype, weighted, pooling):
    rng = np.random.default_rng([len(sizes), weighted])
    num_rows = 5000
    indices, offsets = bags(rng, sizes, num_rows)
    weights = rng.standard_normal(indices.size).astype(np.float32) if weighted else None
    wide = lp.EmbeddingTable(num_rows, 3, dtype)
    narrow = lp.EmbeddingTable(num_rows, 1, dtype)
    narrow.weight[...] = wide.weight[:, :1]
    given = {"offsets": offsets, "pooling": pooling, "per_sample_weights": weights}
    np.testing.assert_array_equal(
        narrow.lookup(indices, **given).view(np.uint32),
        wide.lookup(indices, **given)[:, :1].view(np.uint32),
    )
