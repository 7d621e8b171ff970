"""What users run today, written well, on the inputs that lowprec gets.

Nothing here imports lowprec, so that a process of a peer is the peer's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Table(Protocol):
    """Equally large tables of some features, trained by lookup, backward and update.

    It is made from float32 weights (rows, D) of all features, stacked, which it copies, the number
    of features F and the learning rate.
    """

    note: str  # what a reader of the report should know of it; may be empty

    def load(self, batches: Sequence[NDArray[Any]], grad: NDArray[np.float32]) -> None:
        """Bring ids (B, F), local to their feature, and the gradient of the lookup's result
        (B, F, D) to the layout that it wants; it may also try which of its ways is fastest."""

    def lookup(self, number: int) -> NDArray[np.float32]:
        """The embeddings (B, F, D) of a batch, for checks."""

    def step(self, number: int) -> None:
        """Lookup, backward and update of a batch: what is timed."""

    def weight(self) -> NDArray[Any]:
        """A view (rows, D) of the weights."""


class Entry(NamedTuple):
    """Where a table is defined, and the bytes of one of its weights."""

    module: str
    name: str
    itemsize: int


TABLES = {
    "PyTorch": Entry("pytorch", "SparseSGD", 4),
    "FBGEMM": Entry("fbgemm", "SGD", 4),
    "PyTorch f16+SR": Entry("pytorch", "StochasticHalf", 2),
    "FBGEMM f16": Entry("fbgemm", "HalfSGD", 2),
    "NumPy add.at": Entry("add_at", "AddAt", 4),
    "FBGEMM Adagrad": Entry("fbgemm", "RowWiseAdagrad", 4),
}


def find(name: str) -> tuple[Any, str]:
    """The class of the table of this name, or None and why it cannot be had."""
    entry = TABLES[name]
    try:
        return getattr(import_module(f"benchmarks.peers.{entry.module}"), entry.name), ""
    except Exception as error:  # a build that does not fit its PyTorch raises all sorts of errors
        return None, f"{type(error).__name__}: {error}"
