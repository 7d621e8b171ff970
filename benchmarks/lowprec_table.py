"""A lowprec table as `benchmarks.peers.Table` has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lowprec as lp


class Lowprec:
    """A table of equally large features, trained by `lookup` and `update`."""

    note = ""

    def __init__(
        self,
        rows_of_feature: int,
        num_features: int,
        dim: int,
        dtype: str,
        rounding: str,
        learning_rate: float,
    ) -> None:
        sizes = [rows_of_feature] * num_features
        self._table = lp.EmbeddingTable(sizes, dim, dtype, rounding, lp.SGD(learning_rate))

    def load(self, batches: Sequence[NDArray[Any]], grad: NDArray[np.float32]) -> None:
        self._batches, self._grad = batches, grad
        self._out = np.empty_like(grad)

    def lookup(self, number: int) -> NDArray[np.float32]:
        return self._table.lookup(self._batches[number], out=self._out)

    def step(self, number: int) -> None:
        self.lookup(number)
        self._table.update(self._batches[number], self._grad)

    def weight(self) -> NDArray[Any]:
        return self._table.weight
