"""What `fit_stream` reads: a reader of files, or any iterable of blocks."""

from __future__ import annotations

import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lowprec.datasets.reader import Reader, why_other_files
from lowprec.encoders.frames import is_frame
from lowprec.encoders.tabular import TabularEncoder
from lowprec.models.data import Labelled

_KEPT = ("files", "samples_before")  # of a description: what may differ when training continues


class Block(NamedTuple):
    """Samples and labels, as they were given."""

    X: Any
    y: Any
    sample_weight: Any = None


BlockIterator: TypeAlias = Generator[Block, None, None]


class Source(ABC):
    """Where blocks come from.

    Attributes
    ----------
    description : dict
        What files of the training say about it, as JSON has it; it changes while rows are read.
    """

    description: dict[str, Any]
    num_embeddings: Sequence[int] | None = None
    encoder: TabularEncoder | None = None

    @abstractmethod
    def begin(self, epoch: int, first: int) -> tuple[BlockIterator, int]:
        """The blocks of an epoch, and how many samples precede number `first`; to be closed."""

    @abstractmethod
    def identity(self) -> str:
        """What a training is recognised by."""

    @abstractmethod
    def check_same(self, there: dict[str, Any]) -> None:
        """ValueError unless this is the source of a training that described it so."""

    def expected(self) -> int | None:
        """About how many samples an epoch has, if that is known."""
        return None

    def note(self, batch: Labelled) -> None:  # noqa: B027 - most need none
        """Note a batch after its step."""

    @abstractmethod
    def check_passed(self, batches: Iterable[Labelled]) -> None:
        """ValueError unless these are the samples of the epoch that were trained on before."""


class Files(Source):
    """A reader, which can begin anywhere."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self.num_embeddings = reader, reader.num_embeddings
        self.encoder = reader.encoder
        self.description = {**reader.describe(), "samples_before": 0}

    def begin(self, epoch: int, first: int) -> tuple[BlockIterator, int]:
        """As `Source`; no samples precede."""
        return _as_blocks(self._reader.blocks(epoch, first)), 0

    def identity(self) -> str:
        """The description without numbers of rows, which may not be known yet."""
        files = [file[:2] for file in self.description["files"]]
        return json.dumps([self._options(), files], sort_keys=True)

    def check_same(self, there: dict[str, Any]) -> None:
        """ValueError if it is not the stream of a file; else take over the file's row counts."""
        files = there.get("files", [])
        if there.get("reader") == self.description["reader"] and (
            reason := why_other_files(files, self.description["files"])
        ):
            raise ValueError(reason)
        for name, value in self._options().items():
            if name not in there or there[name] != value:
                raise ValueError(
                    f"it read with {name}={there.get(name)!r}, this reader has {value!r}"
                )
        self._reader.take_rows(files)

    def check_passed(self, batches: Iterable[Labelled]) -> None:
        """A reader begins anywhere, so no samples are passed."""

    def expected(self) -> int | None:
        """The rows of the files."""
        return self._reader.expected_rows

    def _options(self) -> dict[str, Any]:
        return {name: value for name, value in self.description.items() if name not in _KEPT}


class Blocks(Source):
    """Any iterable, which is read from its beginning; its samples are known by sums of them."""

    def __init__(self, iterable: Iterable[Any], epochs: int) -> None:
        if epochs > 1 and iter(iterable) is iterable:
            raise ValueError(
                f"an iterator can be read once, and epochs={epochs}: give an object whose "
                "__iter__ starts again, such as a list or a reader"
            )
        self._iterable = iterable
        self.description = {"reader": None, "seen": [0, 0], "samples_before": 0}

    def begin(self, epoch: int, first: int) -> tuple[BlockIterator, int]:
        """As `Source`; all samples before the first one precede."""
        self.description["seen"] = [0, 0]
        return _as_blocks(iter(self._iterable)), first

    def identity(self) -> str:
        """Nothing is known before it is read."""
        return "blocks"

    def check_same(self, there: dict[str, Any]) -> None:
        """ValueError if it was a reader; samples are compared when they are passed."""
        if there.get("reader") is not None:
            raise ValueError(f"it read with a {there['reader']}, this is another iterable")
        self._expected_sums = there["seen"]

    def note(self, batch: Labelled) -> None:
        """Add to the sums, which do not depend on how samples are cut into batches."""
        self.description["seen"] = _add(self.description["seen"], batch)

    def check_passed(self, batches: Iterable[Labelled]) -> None:
        """By the labels in order and the sum of all ids and of the bits of all numbers."""
        for batch in batches:
            self.note(batch)
        if self.description["seen"] != self._expected_sums:
            raise ValueError(
                "the samples of the epoch up to where training was stopped are others than those "
                "trained on: resume with the same blocks in the same order"
            )


def source_of(stream: Any, epochs: int) -> Source:
    """Where a stream comes from; TypeError if it is none."""
    if isinstance(stream, Reader):
        return Files(stream)
    if isinstance(stream, (str, bytes, np.ndarray, dict)) or not isinstance(stream, Iterable):
        raise TypeError(
            "the stream must be a reader or an iterable of (X, y) or (X, y, sample_weight), got "
            f"{type(stream).__name__}"
        )
    return Blocks(stream, epochs)


def encoded(source: Source, validation: Any) -> Any:
    """``(X, y)`` with a frame X as samples, where the source has an encoder."""
    if source.encoder is None or not isinstance(validation, (tuple, list)) or not validation:
        return validation
    X, *others = validation
    return (source.encoder.transform(X), *others) if is_frame(X) else validation


def _as_blocks(entries: Iterator[Any]) -> BlockIterator:
    try:
        for number, entry in enumerate(entries):
            if not isinstance(entry, (tuple, list)) or len(entry) not in (2, 3):
                some = f"{len(entry)} entries" if isinstance(entry, (tuple, list)) else ""
                raise TypeError(
                    f"block {number} of the stream must be (X, y) or (X, y, sample_weight), got "
                    f"{some or type(entry).__name__}"
                )
            yield Block(*entry)
    finally:
        if hasattr(entries, "close"):
            entries.close()


def _add(sums: Sequence[int], batch: Labelled) -> list[int]:
    to_host, samples = batch.device.to_host, batch.samples
    labels = to_host(batch.y).astype(np.uint8)
    bits = to_host(samples.dense).view(np.uint32)
    total = sums[1] + sum(int(a.sum(dtype=np.uint64)) for a in (to_host(samples.indices), bits))
    return [zlib.crc32(labels.tobytes(), sums[0]), total % 2**63]
