"""NumPy alone: `np.take` and `np.add.at`, on buffers that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class AddAt:
    """A float32 table stepped by `np.add.at` on its weights: NumPy has a fast loop for one axis."""

    note = ""

    def __init__(
        self, weight: NDArray[np.float32], num_features: int, learning_rate: float
    ) -> None:
        self._weight = weight.copy()
        self._first_rows = np.arange(num_features) * (len(weight) // num_features)
        self._learning_rate = np.float32(learning_rate)

    def load(self, batches: Sequence[NDArray[Any]], grad: NDArray[np.float32]) -> None:
        self._rows = [indices + self._first_rows for indices in batches]
        self._grad = grad
        self._out, self._change = np.empty_like(grad), np.empty_like(grad)
        self._places = np.empty(grad.shape, np.int64)

    def lookup(self, number: int) -> NDArray[np.float32]:
        # "clip" because "raise" buffers the output
        return np.take(self._weight, self._rows[number], axis=0, out=self._out, mode="clip")

    def step(self, number: int) -> None:
        self.lookup(number)
        dim = self._weight.shape[1]
        np.multiply(self._grad, -self._learning_rate, out=self._change)
        np.add(self._rows[number][..., None] * dim, np.arange(dim), out=self._places)
        np.add.at(self._weight.reshape(-1), self._places.reshape(-1), self._change.reshape(-1))

    def weight(self) -> NDArray[np.float32]:
        return self._weight


class LogisticRegression:
    """Logistic regression with a float32 weight an id and a dense feature."""

    def __init__(
        self, rows_of_feature: int, num_features: int, num_dense: int, learning_rate: float
    ) -> None:
        self.weight = np.zeros(num_features * rows_of_feature, np.float32)
        self.coef = np.zeros(num_dense, np.float32)
        self.intercept = np.float32(0.0)
        self._first_rows = np.arange(num_features) * rows_of_feature
        self._learning_rate = np.float32(learning_rate)

    def prepare(
        self, dense: NDArray[np.float32], indices: NDArray[Any], y: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
        """A batch as `step` takes it, whose ids are local to their feature."""
        return dense, indices + self._first_rows, y

    def step(
        self, dense: NDArray[np.float32], rows: NDArray[np.int64], y: NDArray[np.float32]
    ) -> None:
        """One step on the mean log loss of a batch."""
        logits = np.take(self.weight, rows).sum(axis=1)
        logits += dense @ self.coef
        logits += self.intercept
        change = 1.0 / (1.0 + np.exp(-logits))
        change -= y
        change *= -self._learning_rate / np.float32(len(y))
        np.add.at(self.weight, rows.reshape(-1), np.repeat(change, rows.shape[1]))
        self.coef += change @ dense
        self.intercept += change.sum()
