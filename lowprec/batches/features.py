"""The features of a table: how many rows each has, and where they begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.checks import check_int, entries_of
from lowprec.device import Device

MAX_ROWS = 2**32 - 1  # a row is a uint32 in the kernels


@dataclass(frozen=True, eq=False)
class Features:
    """How many rows each feature has, and where they begin in the stacked table.

    Parameters
    ----------
    num_embeddings : ndarray of int64, shape (F,)
        Rows of each feature.
    row_offsets : ndarray of int64, shape (F + 1,)
        Feature f has rows ``row_offsets[f]:row_offsets[f + 1]``.
    single : bool
        Whether the user gave one number instead of a sequence.
    """

    num_embeddings: NDArray[np.int64]
    row_offsets: NDArray[np.int64]
    single: bool
    _on_devices: dict[str, tuple[Any, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def check(cls, num_embeddings: int | Sequence[int]) -> Features:
        """From what a user gave; TypeError or ValueError name the feature."""
        given = entries_of(num_embeddings)
        single = given is None
        given = [num_embeddings] if given is None else given
        if not given:
            raise ValueError("num_embeddings is empty: give one number of rows for each feature")
        counts = [
            check_int("num_embeddings" if single else f"num_embeddings[{f}]", count, low=1)
            for f, count in enumerate(given)
        ]
        if sum(counts) > MAX_ROWS:
            raise ValueError(f"num_embeddings adds up to {sum(counts)} rows; at most {MAX_ROWS}")
        row_offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        return cls(np.array(counts, np.int64), row_offsets, single)

    def __len__(self) -> int:
        return len(self.num_embeddings)

    @property
    def num_rows(self) -> int:
        """Rows of the stacked table."""
        return int(self.row_offsets[-1])

    def on_device(self, device: Device) -> tuple[Any, Any]:
        """`num_embeddings` and where the rows of each feature begin, on a device."""
        if device.name not in self._on_devices:
            pair = (self.num_embeddings, self.row_offsets[:-1])
            self._on_devices[device.name] = tuple(map(device.asarray, pair))  # type: ignore[assignment]
        return self._on_devices[device.name]
