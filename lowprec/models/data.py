"""The samples that a recommender is trained on: checked once, then taken batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.batches import checks as batches
from lowprec.batches.joining import join
from lowprec.batches.samples import Samples, taken
from lowprec.device import Device


@dataclass(frozen=True)
class Minibatch:
    """The samples of a step, on the device of the model; of ranks, each has b of them."""

    dense: NDArray[np.float32]  # (b, num_dense)
    ids: Any  # Batch, or `lowprec.models.ranks.SharedIds` of ranks
    y: NDArray[np.float32]  # (B,)
    weights: NDArray[np.float32] | None  # (B,), of the losses; None for ones
    num_features: int
    rows: slice  # those b among the B samples
    part: int  # samples of a part, in which dense layers and their gradients are computed

    def __len__(self) -> int:
        return len(self.dense)


@dataclass(frozen=True)
class Labelled:
    """Samples, and what a loss takes of each; in the memory of one device."""

    samples: Samples
    y: NDArray[np.float32]  # (n,)
    weights: NDArray[np.float32] | None  # (n,), of the losses; None for ones
    classes: NDArray[Any]  # the labels that 0 and 1 stand for

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def device(self) -> Device:
        """Where the arrays are."""
        return self.samples.device

    def __getitem__(self, rows: Any) -> Labelled:
        weights = None if self.weights is None else self.weights[rows]
        return Labelled(self.samples[rows], self.y[rows], weights, self.classes)

    def batches(
        self, batch_size: int, order: NDArray[np.int64] | None = None, first: int = 0
    ) -> Iterator[Labelled]:
        """Batches of `batch_size` samples from number `first` on, in `order` or as they stand.

        The last one is smaller.
        """
        batch_size = int(batch_size)  # a number of NumPy would wrap around
        for start in range(first, len(self), batch_size):
            rows = slice(start, min(start + batch_size, len(self)))
            yield self[rows] if order is None else self._taken(self.device.asarray(order[rows]))

    def _taken(self, order: Any) -> Labelled:
        weights = [] if self.weights is None else [self.weights]
        samples, (y, *found) = taken(self.samples, order, [self.y, *weights])
        return Labelled(samples, y, found[0] if found else None, self.classes)


def join_labelled(parts: Sequence[Labelled]) -> Labelled:
    """Samples of the same classes that follow each other, as one."""
    if len(parts) == 1:
        return parts[0]
    xp = parts[0].device.xp
    weights = None
    if any(part.weights is not None for part in parts):
        ones = [xp.ones(len(part), np.float32) for part in parts]
        weights = xp.concatenate([
            one if part.weights is None else part.weights
            for part, one in zip(parts, ones, strict=True)
        ])  # fmt: skip
    samples = join([part.samples for part in parts])
    return Labelled(samples, xp.concatenate([p.y for p in parts]), weights, parts[0].classes)


def in_batches(blocks: Iterable[Labelled], batch_size: int) -> Iterator[Labelled]:
    """Batches across the ends of blocks; the last one is smaller."""
    kept: list[Labelled] = []
    missing = batch_size = int(batch_size)  # a number of NumPy would wrap around
    for block in blocks:
        start = 0
        while start < len(block):
            kept.append(block[start : start + missing])
            start += len(kept[-1])
            missing -= len(kept[-1])
            if missing == 0:
                batch = join_labelled(kept)
                kept, missing = [], batch_size
                yield batch
    if kept:
        yield join_labelled(kept)


def without_first(
    blocks: Iterable[Labelled], count: int, passed: Callable[[Iterable[Labelled]], None]
) -> Iterator[Labelled]:
    """All samples but the first ones, which are `passed`; ValueError if there are fewer."""
    every = iter(blocks)
    rest: list[Labelled] = []

    def first() -> Iterator[Labelled]:
        missing = count
        while missing:
            block = next(every, None)
            if block is None:
                raise ValueError(
                    f"the stream has {count - missing} samples in the epoch in which training "
                    f"was stopped after {count}"
                )
            taken = min(missing, len(block))
            missing -= taken
            if taken < len(block):
                rest.append(block[taken:])
            yield block[:taken]

    passed(first())
    yield from rest
    yield from every


def check_batches(samples: Samples, batch_size: int) -> None:
    """ValueError if a batch of this size might hold too many ids of these samples."""
    if (fits := fitting(samples, batch_size)) < batch_size:
        raise ValueError(
            f"batch_size={batch_size} is too large: {min(batch_size, len(samples))} of these "
            f"samples can have more than {batches.MAX_IDS} ids or bags, which is the most of a "
            f"batch; any {fits} of them have fewer"
        )


def fitting(samples: Samples, batch_size: int) -> int:
    """`batch_size`, or of how many samples any fit into a batch, if those are fewer.

    It is the batch whose ids and bags the kernels can count; there is no limit to all of them.
    """
    most_ids = batches.MAX_IDS
    size, longest = min(int(batch_size), len(samples)), samples.num_features
    most = size * samples.num_features
    if samples.offsets is not None:
        most += 1  # bags are counted by their offsets
        if len(samples.indices) > most_ids:
            starts = samples.offsets[:: samples.num_features]
            lengths = samples.device.xp.sort(starts[1:] - starts[:-1])
            most = max(most, int(lengths[-size:].sum()))
            longest = max(longest, int(lengths[-1]))
    return batch_size if most <= most_ids else (most_ids - 1) // longest
