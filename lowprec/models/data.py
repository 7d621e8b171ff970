"""The samples that a recommender is trained on: checked once, then taken batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches import checks as batches
from lowprec.batches.batch import Batch
from lowprec.checks import holds_numbers
from lowprec.device import Device, get_device


@dataclass(frozen=True)
class Minibatch:
    """The samples of a step, on the device of the model."""

    dense: NDArray[np.float32]  # (B, num_dense)
    ids: Batch
    y: NDArray[np.float32]  # (B,)
    num_features: int

    def __len__(self) -> int:
        return len(self.dense)


@dataclass(frozen=True)
class CheckedSamples:
    """Dense features, ids and labels of n samples; in the memory of `device`."""

    device: Device
    dense: NDArray[np.float32]  # (n, num_dense)
    indices: NDArray[Any]  # (n, num_features), or (total,) with offsets
    offsets: NDArray[np.int64] | None  # (n * num_features + 1,)
    y: NDArray[np.float32]  # (n,)
    num_features: int

    def __len__(self) -> int:
        return len(self.dense)

    def fitting(self, batch_size: int) -> int:
        """`batch_size`, or of how many samples any fit into a batch, if those are fewer.

        It is the batch whose ids and bags the kernels can count; there is no limit to all of them.
        """
        most_ids = batches.MAX_IDS
        size, longest = min(batch_size, len(self)), self.num_features
        most = size * self.num_features
        if self.offsets is not None:
            most += 1  # bags are counted by their offsets
            if len(self.indices) > most_ids:
                starts = self.offsets[:: self.num_features]
                lengths = self.device.xp.sort(starts[1:] - starts[:-1])
                most = max(most, int(lengths[-size:].sum()))
                longest = max(longest, int(lengths[-1]))
        return batch_size if most <= most_ids else (most_ids - 1) // longest

    def check_batches(self, batch_size: int) -> None:
        """ValueError if so many of these samples might not fit into a batch."""
        if (fitting := self.fitting(batch_size)) < batch_size:
            raise ValueError(
                f"batch_size={batch_size} is too large: {min(batch_size, len(self))} of these "
                f"samples can have more than {batches.MAX_IDS} ids or bags, which is the most of a "
                f"batch; any {fitting} of them have fewer"
            )

    def take(self, order: NDArray[np.int64]) -> CheckedSamples:
        """The samples numbered `order`, in that order."""
        xp, order = self.device.xp, self.device.asarray(order)
        dense, y = self.dense[order], self.y[order]
        if self.offsets is None:
            return CheckedSamples(
                self.device, dense, self.indices[order], None, y, self.num_features
            )
        # the ids of a sample are one stretch: from its first bag to the first of the next sample
        bag_sizes = xp.diff(self.offsets).reshape(-1, self.num_features)[order]
        starts = self.offsets[:-1].reshape(-1, self.num_features)[order, 0]
        lengths = bag_sizes.sum(axis=1)
        ends = xp.cumsum(lengths)
        place = xp.arange(int(ends[-1]))
        # the sample that each place belongs to, past those without ids
        positions = place + (starts - (ends - lengths))[xp.searchsorted(ends, place, side="right")]
        offsets = xp.concatenate([xp.zeros(1, np.int64), xp.cumsum(bag_sizes)])
        return CheckedSamples(
            self.device, dense, self.indices[positions], offsets, y, self.num_features
        )

    def _slice(self, start: int, stop: int) -> CheckedSamples:
        """The samples from `start` to `stop`, without a copy."""
        dense, y = self.dense[start:stop], self.y[start:stop]
        if self.offsets is None:
            return CheckedSamples(
                self.device, dense, self.indices[start:stop], None, y, self.num_features
            )
        offsets = self.offsets[start * self.num_features : stop * self.num_features + 1]
        indices = self.indices[offsets[0] : offsets[-1]]
        return CheckedSamples(
            self.device, dense, indices, offsets - offsets[0], y, self.num_features
        )

    def batches(
        self, batch_size: int, order: NDArray[np.int64] | None = None, first: int = 0
    ) -> Iterator[CheckedSamples]:
        """Batches of `batch_size` samples from number `first` on, in `order` or as they stand.

        The last one is smaller.
        """
        for start in range(first, len(self), batch_size):
            stop = min(start + batch_size, len(self))
            yield self._slice(start, stop) if order is None else self.take(order[start:stop])


def check_samples(
    device: Device, X: Any, y: Any, num_features: int, num_dense: int | None
) -> CheckedSamples:
    """Samples from ``X = (dense, indices)``, ``(dense, indices, offsets)`` or indices, and labels.

    They stay in the memory of the host, from where they go to the `device` batch by batch, unless
    some are on the device.  `y` may be None, for prediction, and there may then be no samples.  Ids
    are left to `lowprec.batches.features.Features`.

    Raises
    ------
    TypeError, ValueError
        If an array has the wrong dtype or shape, a dense feature is not finite, or a label is not
        0 or 1: names the position and the value.
    """
    dense_given, indices_given, offsets_given = _parts_of(X)
    given = dense_given, indices_given, offsets_given, y
    home = device if any(map(device.owns, given)) else get_device("cpu")
    indices = batches.as_integers("indices", home.asarray(indices_given, "indices"))
    offsets = offsets_given
    if offsets is not None:
        offsets = batches.as_integers("offsets", home.asarray(offsets, "offsets"))
    if dense_given is None:
        dense_given = home.xp.empty((_count(indices, offsets, num_features), 0), np.float32)
    dense = _check_dense(home, dense_given, num_dense)
    n = len(dense)
    if n == 0 and y is not None:
        raise ValueError("X has no samples")
    if offsets is None and indices.shape != (n, num_features):
        raise ValueError(f"indices must have shape ({n}, {num_features}), got {indices.shape}")
    if offsets is not None and offsets.shape != (n * num_features + 1,):
        raise ValueError(
            f"offsets must have {n} * {num_features} + 1 entries, got shape {offsets.shape}"
        )
    labels = home.xp.zeros(n, np.float32) if y is None else _check_labels(home, y, n)
    return CheckedSamples(home, dense, indices, offsets, labels, num_features)


def _parts_of(X: Any) -> tuple[Any, Any, Any]:
    """Dense features, ids and offsets of samples, None where there are none."""
    if isinstance(X, (tuple, list)) and len(X) in (2, 3):
        dense, indices, offsets = X if len(X) == 3 else (*X, None)
        if indices is None:
            raise TypeError("X has no indices: they are None")
        return dense, indices, offsets
    if getattr(X, "ndim", None) == 2:
        return None, X, None
    raise TypeError(
        "X must be (dense, indices), (dense, indices, offsets), where dense may be None, or an "
        f"array of indices (n, num_features); got {type(X).__name__}"
        + (f" of {len(X)} entries" if isinstance(X, (tuple, list)) else "")
    )


def _count(indices: Any, offsets: Any, num_features: int) -> int:
    """How many samples there are if there are no dense features to count."""
    if offsets is None:
        return len(indices) if indices.ndim else 0
    return max(0, offsets.size - 1) // num_features


def _check_dense(home: Device, values: Any, num_dense: int | None) -> NDArray[np.float32]:
    dense = home.as_float32("dense", values)
    if dense.ndim != 2 or (num_dense is not None and dense.shape[1] != num_dense):
        columns = "num_dense" if num_dense is None else num_dense
        raise ValueError(f"dense features must have shape (n, {columns}), got {dense.shape}")
    finite = home.xp.isfinite(dense)
    if not finite.all():
        row, column = map(int, home.xp.argwhere(~finite)[0])
        raise ValueError(f"dense[{row}, {column}] = {dense[row, column]} is not finite")
    return dense  # type: ignore[no-any-return]


def _check_labels(home: Device, y: Any, n: int) -> NDArray[np.float32]:
    labels = home.asarray(y, "y")
    if labels.shape != (n,):
        raise ValueError(f"y must have shape ({n},), got {labels.shape}")
    if not holds_numbers(labels.dtype):
        raise TypeError(f"y must hold numbers, got {labels.dtype}")
    bad = home.xp.flatnonzero((labels != 0) & (labels != 1))
    if bad.size:
        place = int(bad[0])
        raise ValueError(f"y[{place}] = {labels[place]}: a label must be 0 or 1")
    return labels.astype(np.float32)  # type: ignore[no-any-return]
