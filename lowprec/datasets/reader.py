"""Readers of files: blocks of rows in an order that a seed decides, from any row on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.checks import check_flag, check_int, check_seed
from lowprec.datasets.ahead import ReadAhead
from lowprec.datasets.finding import Found
from lowprec.datasets.parts import Part, in_blocks, shuffled, without_first
from lowprec.encoders.tabular import TabularEncoder

BLOCKS_AHEAD = 2  # beside the one that is being made
_MOST = 2**63
_ORDER_OF_UNITS, _ORDER_OF_ROWS = 0, 1  # streams of random numbers


class Reader(ABC):
    """Rows of files, block by block; see `ParquetReader` for the arguments.

    A subclass says in which pieces its files are read, and reads them.
    """

    num_embeddings: Sequence[int] | None = None  # of each feature, where the reader knows it
    encoder: TabularEncoder | None = None

    def __init__(
        self, files: Sequence[Found], batch_size: int, shuffle: bool, shuffle_window: int, seed: int
    ) -> None:
        self.paths = tuple(file.path for file in files)
        self.batch_size = check_int("batch_size", batch_size, low=1, high=2**31)
        self.shuffle = check_flag("shuffle", shuffle)
        self.shuffle_window = check_int("shuffle_window", shuffle_window, low=1, high=2**31)
        self.seed = check_seed(seed)
        # name, bytes, and rows, which are None until they are known
        self._files: list[list[Any]] = [[file.name, file.size, None] for file in files]

    def __iter__(self) -> Iterator[Any]:
        return self.blocks()

    def blocks(self, epoch: int = 0, first: int = 0) -> ReadAhead[Any]:
        """The blocks of an epoch, from row `first` of its order on.

        Without `shuffle` every epoch has the same order.  A thread reads ahead; it ends with the
        blocks, or when what is returned is closed or no longer referred to.

        Parameters
        ----------
        epoch : int, default 0
            Number of the epoch, which determines the order.
        first : int, default 0
            How many rows to skip.

        Returns
        -------
        iterator
            Of blocks of `batch_size` rows, the last one smaller; its method `close` ends the
            thread.

        Raises
        ------
        TypeError, ValueError
            If an argument is no integer or negative.  What is wrong with a file is raised when its
            rows are reached.

        Examples
        --------
        >>> import pyarrow, pyarrow.parquet, tempfile, lowprec as lp
        >>> frame = pyarrow.table({"age": [31.0, 45.0, 20.0], "click": [0, 1, 0]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pyarrow.parquet.write_table(frame, f"{folder}/a.parquet")
        ...     reader = lp.ParquetReader(folder, label="click", batch_size=2)
        ...     [y.tolist() for X, y in reader.blocks(epoch=0, first=1)]
        [[1, 0]]
        """
        epoch = check_int("epoch", epoch, low=0, high=_MOST)
        first = check_int("first", first, low=0, high=_MOST)
        return ReadAhead(lambda: self._blocks(epoch, first), BLOCKS_AHEAD)

    @property
    def num_rows(self) -> int | None:
        """The number of rows of all files; None if that is known only after reading them."""
        rows = [file[2] for file in self._files]
        return None if None in rows else sum(rows)

    @property
    def expected_rows(self) -> int | None:
        """The number of rows of all files, possibly estimated."""
        return self.num_rows

    def describe(self) -> dict[str, Any]:
        """What the order and the rows depend on, as JSON has it.

        The entry "files" lists the name, the size in bytes and the number of rows of each file.
        The number is None until the file has been read, if it is not known before.
        """
        order: dict[str, Any] = {"shuffle": self.shuffle}
        if self.shuffle:
            order |= {"seed": self.seed, "shuffle_window": self.shuffle_window}
        return {
            "reader": type(self).__name__, **order, **self._options(), "files": self._files,
        }  # fmt: skip

    def take_rows(self, files: Sequence[Sequence[Any]]) -> None:
        """Take over the numbers of rows that a reader of the same files has described.

        ValueError if those of a file differ.
        """
        for number, (_, _, rows) in enumerate(files):
            if rows is not None:
                self._count_rows(number, check_int("rows", rows, low=0, high=_MOST))

    def _count_rows(self, number: int, rows: int) -> None:
        """Note how many rows a file has; this number must not change later."""
        known = self._files[number][2]
        if known is not None and known != rows:
            raise ValueError(f"{self.paths[number]} has {rows} rows, and had {known} before")
        self._files[number][2] = rows

    def _blocks(self, epoch: int, first: int) -> Iterator[Any]:
        if not self.shuffle:
            parts = self._read(None, first)
        else:
            window, inside = divmod(first, self.shuffle_window)
            read = self._read(epoch, window * self.shuffle_window)
            parts = shuffled(
                read, self.shuffle_window, window,
                lambda number, rows: self._rng(epoch, _ORDER_OF_ROWS, number).permutation(rows),
            )  # fmt: skip
            parts = without_first(parts, inside)
        for block in in_blocks(parts, self.batch_size):
            yield self._given(block)

    def _units(self, epoch: int | None, count: int) -> NDArray[np.int64]:
        """The order of what is read as a whole, such as files; that of `epoch` None is theirs."""
        if epoch is None:
            return np.arange(count)
        return self._rng(epoch, _ORDER_OF_UNITS).permutation(count)

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    @abstractmethod
    def _read(self, epoch: int | None, first: int) -> Iterator[Part]:
        """The rows from number `first` on, in the order of `_units`."""

    @abstractmethod
    def _given(self, block: Part) -> Any:
        """A block as it is given to users."""

    @abstractmethod
    def _options(self) -> dict[str, Any]:
        """What the rows depend on beside the files and their order, as JSON has it."""


def why_other_files(there: Sequence[Sequence[Any]], here: Sequence[Sequence[Any]]) -> str | None:
    """How files differ from those that a training was begun with; None if nothing tells that."""
    if len(there) != len(here):
        return f"there were {len(there)} files, now there are {len(here)}"
    for (name, size, rows), (name_now, size_now, rows_now) in zip(there, here, strict=True):
        if name != name_now:
            return f"there was a file {name}, now there is {name_now} in its place"
        if size != size_now:
            return f"{name} had {size} bytes, now it has {size_now}"
        if rows != rows_now and None not in (rows, rows_now):
            return f"{name} had {rows} rows, now it has {rows_now}"
    return None
