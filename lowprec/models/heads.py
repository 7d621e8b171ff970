"""The first samples of a stream, from which a model is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lowprec.batches.joining import join
from lowprec.batches.samples import Samples
from lowprec.device import Device, brought
from lowprec.models.data import Labelled
from lowprec.models.model import Model
from lowprec.models.parameters import feature_sizes
from lowprec.models.sources import BlockIterator, Source
from lowprec.models.training import check_steps, names_for, naming, samples_for

ROWS = 2**16  # that standardisation and classes are taken from, however they are cut into blocks


class Head:
    """The samples that were read to make a model, and the blocks that follow."""

    def __init__(
        self, samples: Labelled, names: list[str] | None, rest: BlockIterator, count: int
    ) -> None:
        self.samples, self.names, self.rest = samples, names, rest
        self.count = count  # of blocks before the rest

    def for_moments(self) -> Labelled:
        """The first `ROWS` samples."""
        return self.samples[:ROWS]

    def then(self, rest: Iterator[Labelled]) -> Iterator[Labelled]:
        """The samples that were read, and then the `rest`; none are kept."""
        first = self.samples
        del self.samples
        yield first
        del first
        yield from rest


def read_head(model: Model, source: Source, blocks: BlockIterator, classes: Any) -> Head:
    """The first `ROWS` samples, or somewhat more; ValueError if there are none."""
    sizes = feature_sizes(model)
    if sizes is None and source.num_embeddings is not None:
        sizes = list(source.num_embeddings)
    parts: list[tuple[Samples, Any, Any]] = []
    names: list[str] | None = None
    rows = count = 0
    for block in blocks:
        with naming(f"block {count}"):
            if block.y is None:
                raise ValueError("there are no labels: y is None")
            names = names_for(model, block.X) if count == 0 else names
            samples = samples_for(model, block.X, fitted=False, sizes=sizes)
            if len(samples) == 0:
                raise ValueError("X has no samples")
            y = brought(samples.device, "y", block.y)
            if y.shape[:1] != (len(samples),):
                raise ValueError(f"y must have shape ({len(samples)},), got {y.shape}")
            parts.append((samples, y, _weights(samples.device, block.sample_weight, len(samples))))
        rows, count = rows + len(samples), count + 1
        if rows >= ROWS:
            break
    if not rows:
        raise ValueError("the stream has no samples")
    samples = join([part[0] for part in parts])
    if sizes is None and samples.num_features and samples.num_embeddings is None:
        raise ValueError(
            "the ids of a stream are not known before it is read: give the model num_embeddings, "
            "or make Samples with it"
        )
    check_steps(model, samples)
    xp = samples.device.xp
    weights = None
    if any(part[2] is not None for part in parts):
        weights = xp.concatenate([
            xp.ones(len(part[0]), np.float32) if part[2] is None else part[2] for part in parts
        ])  # fmt: skip
    y = xp.concatenate([part[1] for part in parts])
    labelled = model._with_targets(samples, y, weights, classes, False, True)
    return Head(labelled, names, blocks, count)


def _weights(device: Device, weights: Any, rows: int) -> Any:
    """The weights of a block; ValueError unless there is one for each sample."""
    if weights is None:
        return None
    found = brought(device, "sample_weight", weights)
    if found.shape != (rows,):
        raise ValueError(f"sample_weight must have shape ({rows},), got {found.shape}")
    return found
