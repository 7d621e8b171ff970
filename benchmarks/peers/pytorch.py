"""PyTorch tables: sparse SGD in float32, and float16 with stochastic rounding written by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

_LOST_BITS = 13  # of the significand of a float32, those that a float16 has no place for
_TRIALS = 7  # steps of either layout, to find the faster


class Embeddings(nn.Module):
    """`EmbeddingBag`s with sparse gradients: one of all features stacked, or one a feature.

    Their weights are views of one.
    """

    def __init__(self, weight: torch.Tensor, num_features: int, *, stacked: bool) -> None:
        super().__init__()
        self.stacked = stacked
        self.num_features = num_features
        self.rows_of_feature = len(weight) // num_features
        self.bags = nn.ModuleList(
            nn.EmbeddingBag(len(part), part.shape[1], mode="sum", sparse=True, _weight=part)
            for part in ([weight] if stacked else weight.split(self.rows_of_feature))
        )

    def prepare(self, indices: NDArray[Any]) -> torch.Tensor:
        """Ids (B, F) as `forward` takes them: rows (B * F, 1), or ids (F, B, 1)."""
        ids = torch.from_numpy(indices.astype(np.int64))
        if self.stacked:
            return (ids + torch.arange(self.num_features) * self.rows_of_feature).view(-1, 1)
        return ids.T.contiguous()[:, :, None]

    def prepare_grad(self, grad: NDArray[np.float32]) -> list[torch.Tensor]:
        """A gradient (B, F, D) in the shapes of what `forward` gives."""
        values = torch.from_numpy(grad)
        if self.stacked:
            return [values.view(-1, grad.shape[2])]
        return [part.contiguous() for part in values.unbind(dim=1)]

    def forward(self, ids: torch.Tensor) -> list[torch.Tensor]:
        """One (B * F, D), or one (B, D) a feature."""
        if self.stacked:
            return [self.bags[0](ids)]
        return [bag(part) for bag, part in zip(self.bags, ids, strict=True)]

    def join(self, outputs: list[torch.Tensor]) -> torch.Tensor:
        """What `forward` gave as (B, F, D)."""
        if self.stacked:
            return outputs[0].view(-1, self.num_features, outputs[0].shape[1])
        return torch.stack(outputs, dim=1)


class SparseSGD:
    """`EmbeddingBag(sparse=True)` and `torch.optim.SGD`: one table or 26, whichever is faster."""

    note = ""

    def __init__(
        self, weight: NDArray[np.float32], num_features: int, learning_rate: float
    ) -> None:
        self._weight = torch.from_numpy(weight.copy())
        self._num_features = num_features
        self._learning_rate = learning_rate

    def load(self, batches: Sequence[NDArray[Any]], grad: NDArray[np.float32]) -> None:
        seconds = {}
        for stacked in (True, False):
            self._use(stacked, batches, grad)
            seconds[stacked] = min(self._seconds(n % len(batches)) for n in range(_TRIALS))
        stacked = seconds[True] < seconds[False]
        self._use(stacked, batches, grad)
        self.note = "PyTorch: " + ("one stacked table" if stacked else "a table a feature")

    def _use(
        self, stacked: bool, batches: Sequence[NDArray[Any]], grad: NDArray[np.float32]
    ) -> None:
        self._embeddings = Embeddings(self._weight, self._num_features, stacked=stacked)
        self._optimizer = torch.optim.SGD(self._embeddings.parameters(), lr=self._learning_rate)
        self._ids = [self._embeddings.prepare(indices) for indices in batches]
        self._grad = self._embeddings.prepare_grad(grad)

    def _seconds(self, number: int) -> float:
        start = time.perf_counter()
        self.step(number)
        return time.perf_counter() - start

    def lookup(self, number: int) -> NDArray[np.float32]:
        return self._embeddings.join(self._embeddings(self._ids[number])).detach().numpy()

    def step(self, number: int) -> None:
        self._optimizer.zero_grad()
        torch.autograd.backward(self._embeddings(self._ids[number]), self._grad)
        self._optimizer.step()

    def weight(self) -> NDArray[np.float32]:
        return self._weight.numpy()


class StochasticHalf:
    """A float16 table: equal rows' gradients are summed, rows stepped in float32, rounded once."""

    note = ""

    def __init__(
        self, weight: NDArray[np.float32], num_features: int, learning_rate: float
    ) -> None:
        self._weight = torch.from_numpy(weight).half()
        self._first_rows = np.arange(num_features) * (len(weight) // num_features)
        self._learning_rate = learning_rate

    def load(self, batches: Sequence[NDArray[Any]], grad: NDArray[np.float32]) -> None:
        self._rows = [
            torch.from_numpy(indices + self._first_rows).reshape(-1) for indices in batches
        ]
        self._grad = torch.from_numpy(grad).view(-1, grad.shape[2])

    def lookup(self, number: int) -> NDArray[np.float32]:
        return self._lookup(number).view(-1, len(self._first_rows), self._grad.shape[1]).numpy()

    def _lookup(self, number: int) -> torch.Tensor:
        return self._weight.index_select(0, self._rows[number]).float()

    def step(self, number: int) -> None:
        self._lookup(number)
        rows, inverse = torch.unique(self._rows[number], return_inverse=True)
        summed = torch.zeros(len(rows), self._grad.shape[1]).index_add_(0, inverse, self._grad)
        values = self._weight.index_select(0, rows).float()
        values.add_(summed, alpha=-self._learning_rate)
        words = values.view(torch.int32)
        words += _random_words(words.numel()).view(words.shape)
        words.bitwise_and_(-1 << _LOST_BITS)
        self._weight.index_copy_(0, rows, values.half())

    def weight(self) -> NDArray[np.float16]:
        return self._weight.numpy()


def _random_words(count: int) -> torch.Tensor:
    """`count` random int32 below ``2**13``; a 64-bit draw serves four of them."""
    draws = torch.empty((count + 3) // 4, dtype=torch.int64).random_().view(torch.int16)
    return draws[:count].to(torch.int32).bitwise_and_((1 << _LOST_BITS) - 1)
