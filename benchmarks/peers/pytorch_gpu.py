"""PyTorch's sparse SGD on the GPU: one `EmbeddingBag` of all features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray

from benchmarks.peers.pytorch import Embeddings


class SparseSGD:
    """`EmbeddingBag(sparse=True)` and `torch.optim.SGD` on batches that are on the GPU."""

    def __init__(self, rows: int, dim: int, num_features: int, learning_rate: float) -> None:
        weight = torch.zeros(rows, dim, device="cuda")
        self._module = Embeddings(weight, num_features, stacked=True)
        self._optimizer = torch.optim.SGD(self._module.parameters(), learning_rate)

    def load(self, batches: Sequence[NDArray[Any]], grad: NDArray[Any]) -> None:
        self._ids = [self._module.prepare(indices).cuda() for indices in batches]
        self._grad = [part.cuda() for part in self._module.prepare_grad(grad)]

    def step(self, number: int) -> None:
        outputs = self._module(self._ids[number])
        torch.autograd.backward(outputs, self._grad)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
