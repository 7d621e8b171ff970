"""What the benchmarks train on: ids with the frequencies that are wanted, and clicks at random."""

from __future__ import annotations

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
    return (np.minimum(rank, rows - 1).astype(np.int64) * _SCATTER % rows).astype(np.int32)


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
