"""The models in PyTorch: float32, embeddings by sparse SGD, written for speed in eager mode."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.peers.pytorch import Embeddings

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]  # weight (inputs, outputs), bias
_TRIALS = 3  # steps with one table and with one a feature, to find the faster


def draw_layers(sizes: Sequence[int], rng: np.random.Generator) -> list[Layer]:
    """Dense layers at random."""
    return [
        (
            rng.normal(0.0, np.sqrt(2.0 / (inputs + outputs)), (inputs, outputs)).astype("f4"),
            np.zeros(outputs, np.float32),
        )
        for inputs, outputs in pairwise(sizes)
    ]


def _mlp(layers: Sequence[Layer], *, last_relu: bool) -> nn.Sequential:
    modules: list[nn.Module] = []
    for weight, bias in layers:
        linear = nn.Linear(*weight.shape)
        linear.weight.data.copy_(torch.from_numpy(weight.T))
        linear.bias.data.copy_(torch.from_numpy(bias))
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*(modules if last_relu else modules[:-1]))


class _Model(nn.Module, ABC):
    """What both models share: steps on the mean log loss, with a rate for each of two groups."""

    def _start(
        self, embeddings: nn.Module, learning_rate: float, dense_learning_rate: float
    ) -> None:
        sparse = set(embeddings.parameters())
        dense = [parameter for parameter in self.parameters() if parameter not in sparse]
        self._optimizers = [
            torch.optim.SGD(embeddings.parameters(), lr=learning_rate),
            torch.optim.SGD(dense, lr=dense_learning_rate),
        ]

    def step(self, dense: torch.Tensor, ids: torch.Tensor, y: torch.Tensor) -> None:
        """Forward, backward and update of a batch as `prepare` gave it."""
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(self(dense, ids), y).backward()
        for optimizer in self._optimizers:
            optimizer.step()

    def prepare(
        self, dense: NDArray[np.float32], indices: NDArray[Any], y: NDArray[np.float32]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A batch, whose ids are local to their feature, as `step` takes it."""
        return torch.from_numpy(dense), self._prepare_ids(indices), torch.from_numpy(y)

    @abstractmethod
    def _prepare_ids(self, indices: NDArray[Any]) -> torch.Tensor:
        """Ids as the model's tables take them."""


class DLRM(_Model):
    """Bottom MLP, embeddings, inner products of all pairs, top MLP."""

    def __init__(
        self,
        weight: torch.Tensor,
        num_features: int,
        bottom: Sequence[Layer],
        top: Sequence[Layer],
        learning_rate: float,
        dense_learning_rate: float,
        *,
        stacked: bool,
    ) -> None:
        super().__init__()
        self.embeddings = Embeddings(weight, num_features, stacked=stacked)
        self.bottom = _mlp(bottom, last_relu=True)
        self.top = _mlp(top, last_relu=False)
        vectors = num_features + 1
        left, right = np.tril_indices(vectors, -1)
        self._pairs = torch.from_numpy(left * vectors + right)
        self._start(self.embeddings, learning_rate, dense_learning_rate)

    def forward(self, dense: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Logits (B,)."""
        x = self.bottom(dense)
        vectors = torch.cat([x[:, None], self.embeddings.join(self.embeddings(ids))], dim=1)
        products = torch.bmm(vectors, vectors.transpose(1, 2)).flatten(1)
        # gathered: indexing with the pairs has a slower backward
        pairs = products.gather(1, self._pairs.expand(len(x), -1))
        return self.top(torch.cat([x, pairs], dim=1))[:, 0]

    def _prepare_ids(self, indices: NDArray[Any]) -> torch.Tensor:
        return self.embeddings.prepare(indices)


class LogisticRegression(_Model):
    """A weight an id and a dense feature; a sample's ids are one bag."""

    def __init__(
        self, rows_of_feature: int, num_features: int, num_dense: int, learning_rate: float
    ) -> None:
        super().__init__()
        weight = torch.zeros(num_features * rows_of_feature, 1)
        self.bag = nn.EmbeddingBag(*weight.shape, mode="sum", sparse=True, _weight=weight)
        self.linear = nn.Linear(num_dense, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self._first_rows = np.arange(num_features) * rows_of_feature
        self._start(self.bag, learning_rate, learning_rate)

    def forward(self, dense: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Logits (B,)."""
        return (self.linear(dense) + self.bag(ids))[:, 0]

    def _prepare_ids(self, indices: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(indices + self._first_rows)


def faster(models: Sequence[DLRM], batch: Sequence[NDArray[Any]]) -> DLRM:
    """The model that takes a batch in less time, at its best of a few."""
    seconds = []
    for model in models:
        prepared = model.prepare(*batch)
        trials = []
        for _ in range(_TRIALS):
            start = time.perf_counter()
            model.step(*prepared)
            trials.append(time.perf_counter() - start)
        seconds.append(min(trials))
    return models[int(np.argmin(seconds))]
