"""What the positions of a batch add to the gradients of its rows; all devices take it like this."""

from typing import NamedTuple

import numpy as np

# An entry of a sorted batch is row << 32 | label, both 32 bits.
ROW_SHIFT = np.uint64(32)
LABEL = np.uint64(0xFFFFFFFF)
# Gradients of one row are summed in pieces of this many, each from zero in batch order, and the
# pieces are then summed in order: a fixed rule that lets many threads share the sum of a hot row.
PIECE = 128


class Gradients(NamedTuple):
    """What each position of a batch adds to the gradient of its row, by its label in the order."""

    grad: np.ndarray  # (bags, embedding_dim) float32; on a CPU, words if there are several columns
    bags: np.ndarray  # (n,) uint32, the bag of a label; empty where labels are bags
    factors: np.ndarray  # (n,) float32, the factor of a label; empty for ones
