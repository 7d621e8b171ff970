"""FBGEMM's fused CPU tables: backward updates the weights.

Its CPU kernels take `stochastic_rounding` and do not read it: float16 is rounded to nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fbgemm_gpu  # noqa: F401 - registers the operators
import numpy as np
import torch
from fbgemm_gpu.split_embedding_configs import EmbOptimType, SparseType
from fbgemm_gpu.split_table_batched_embeddings_ops_common import EmbeddingLocation
from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
    ComputeDevice,
    SplitTableBatchedEmbeddingBagsCodegen,
)
from numpy.typing import NDArray


class SGD:
    """A float32 table a feature, with plain SGD."""

    note = ""
    precision = SparseType.FP32
    optimizer = EmbOptimType.EXACT_SGD

    def __init__(
        self, weight: NDArray[np.float32], num_features: int, learning_rate: float
    ) -> None:
        rows, dim = len(weight) // num_features, weight.shape[1]
        specification = (rows, dim, EmbeddingLocation.HOST, ComputeDevice.CPU)
        self._tables = SplitTableBatchedEmbeddingBagsCodegen(
            [specification] * num_features,
            optimizer=self.optimizer,
            learning_rate=learning_rate,
            weights_precision=self.precision,
            stochastic_rounding=self.precision == SparseType.FP16,
            eps=ADAGRAD_EPSILON,
        )
        self._weight = self._tables.weights_host.detach().view(weight.shape)
        self._weight.copy_(torch.from_numpy(weight))

    def load(self, batches: Sequence[NDArray[Any]], grad: NDArray[np.float32]) -> None:
        samples, features, self._dim = grad.shape
        self._ids = [torch.from_numpy(np.ascontiguousarray(b.T, np.int64)) for b in batches]
        self._offsets = torch.arange(samples * features + 1)
        self._grad = torch.from_numpy(grad).view(samples, -1)

    def lookup(self, number: int) -> NDArray[np.float32]:
        out = self._tables(self._ids[number].view(-1), self._offsets).detach()
        return out.view(len(out), -1, self._dim).numpy()

    def step(self, number: int) -> None:
        self._tables(self._ids[number].view(-1), self._offsets).backward(self._grad)

    def weight(self) -> NDArray[Any]:
        return self._weight.numpy()


class HalfSGD(SGD):
    """A float16 table a feature, rounded to nearest."""

    precision = SparseType.FP16


class RowWiseAdagrad(SGD):
    """A float32 table a feature with row-wise Adagrad, FBGEMM's best tuned optimizer."""

    optimizer = EmbOptimType.EXACT_ROWWISE_ADAGRAD


ADAGRAD_EPSILON = 1e-8
