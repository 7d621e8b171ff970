"""What the benchmarks train on: ids with the frequencies that are wanted, and clicks at random."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FEATURES = 26
NUM_DENSE = 13
_EXPONENT = 1.05
_SCATTER = 2654435761  # a prime: spreads the frequent ids over the table


def draw_ids(rng: np.random.Generator, rows: int, shape: tuple[int, int], ids: str) -> NDArray:
    """Ids below `rows`: "uniform", or "zipf", a power law with exponent 1.05."""
    if ids == "uniform":
        return rng.integers(0, rows, shape, dtype=np.int32)
    power = 1.0 - _EXPONENT
    rank = (rng.random(shape) * ((rows + 1.0) ** power - 1.0) + 1.0) ** (1.0 / power) - 1.0
    return row_of_rank(np.minimum(rank, rows - 1).astype(np.int64), rows).astype(np.int32)


def row_of_rank(rank: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """The id that is number `rank` by its frequency."""
    return rank * _SCATTER % rows


def shares_of_ranks(rows: int, ids: str, head: int) -> tuple[NDArray, NDArray]:
    """How often `draw_ids` gives an id, and how many have that share.

    The first `head` of a power law are told one by one, the others in groups of about 1 %.
    """
    if ids == "uniform":
        return np.array([1.0 / rows]), np.array([float(rows)])
    head = min(head, rows)
    groups = np.geomspace(head, rows, 1 + max(1, math.ceil(100 * math.log(rows / head))))
    edges = np.concatenate([np.arange(head), np.unique(np.round(groups))])
    power = 1.0 - _EXPONENT
    below = ((edges + 1.0) ** power - 1.0) / ((rows + 1.0) ** power - 1.0)
    counts = np.diff(edges)
    return np.diff(below) / counts, counts


def draw_clicks(
    seed: int, samples: int, rows_of_feature: int, ids: str = "zipf", pooling: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Dense features, ids (samples, FEATURES * pooling) and labels, a quarter of them clicks.

    There is nothing to learn.
    """
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(samples, NUM_DENSE)).astype(np.float32)
    indices = draw_ids(rng, rows_of_feature, (samples, FEATURES * pooling), ids)
    return dense, indices, (rng.random(samples) < 0.25).astype(np.float32)
