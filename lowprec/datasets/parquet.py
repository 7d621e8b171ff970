"""Folders of Parquet files, larger than memory."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lowprec.datasets.columns import Selection, texts_of
from lowprec.datasets.finding import PathLike, find_files
from lowprec.datasets.naming import naming
from lowprec.datasets.partitions import partitions_of
from lowprec.datasets.parts import Part
from lowprec.datasets.reader import Reader
from lowprec.encoders.tabular import TabularEncoder

_ENDINGS = (".parquet", ".parq", ".pq")
_ROWS_AT_ONCE = 65536
_BUFFER_BYTES = 1 << 20  # of a column; without it, all of a row group's are read at once


class _RowGroup(NamedTuple):
    """What is read as a whole."""

    file: int
    number: int  # in its file
    rows: int


class ParquetReader(Reader):
    """Stream Parquet files in blocks, without ever holding a file in memory.

    Only the needed columns are read.  A thread reads and encodes ahead of the training.  Every
    iteration reads the files again from the start; `blocks` returns the blocks of another epoch, or
    from another row on.

    Parameters
    ----------
    paths : path or iterable of paths
        Files, folders or patterns, read in this order.  A folder means all files in it and in its
        folders whose names end in ``.parquet``, ``.parq`` or ``.pq``, by their names; those that
        begin with ``.`` or ``_`` are left out.  Patterns are those of `glob`, where ``**`` is any
        number of folders.  A folder called ``name=value`` on the way to a file, as Hive writes
        them, is a column of this name: of integers if all its values are.
    encoder : TabularEncoder, optional
        A fitted one, which makes `Samples` of its columns, block by block.  Without one, X is a
        table of pyarrow, which models take if it holds numbers alone.
    label : str, optional
        The column of labels.  Without it, y is None.
    batch_size : int, default 65536
        Rows of every block but the last.  The batches of a model do not depend on it.
    sample_weight : str, optional
        The column of the samples' weights; blocks are then ``(X, y, sample_weight)``.
    columns : sequence of str, optional
        The columns of X where there is no encoder.  Default: all that are not named otherwise.
    shuffle : bool, default False
        Whether each epoch has the row groups of all files in a random order, and the rows of each
        `shuffle_window` in a random order.
    shuffle_window : int, default 262144
        How many rows are shuffled at once, in memory, where up to three times as many are held.
    seed : int, default 0
        Determines the random orders, together with the number of the epoch.

    Attributes
    ----------
    paths : tuple of str
        The files.
    num_rows : int
        The rows of all files.

    Yields
    ------
    X : Samples, or a table of pyarrow
    y : ndarray, or None
    sample_weight : ndarray
        Only where such a column is named.

    Raises
    ------
    FileNotFoundError
        If a file does not exist, or none matches.
    ImportError
        Without pyarrow (``pip install "lowprec[data]"``).
    TypeError, ValueError
        If an argument is invalid, the encoder is not fitted, a file is no Parquet file or lacks a
        column, or the label is a column of the encoder: at once.  If a label is missing, a value
        cannot be encoded, or a file was changed meanwhile: when its rows are reached; names the
        file and the rows.

    Notes
    -----
    Memory is bounded by some blocks, a window if `shuffle`, and buffers of one row group.
    Shuffling works well if a window holds several row groups, or if rows have no particular order.

    Examples
    --------
    >>> import pyarrow, pyarrow.parquet, tempfile, lowprec as lp
    >>> frame = pyarrow.table({"city": ["Rome", "Oslo", "Rome"], "click": [0, 1, 0]})
    >>> encoder = lp.TabularEncoder().fit(frame.select(["city"]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pyarrow.parquet.write_table(frame, f"{folder}/a.parquet")
    ...     reader = lp.ParquetReader(folder, encoder, label="click", batch_size=2)
    ...     [(X.indices.ravel().tolist(), y.tolist()) for X, y in reader]
    [([1, 2], [0, 1]), ([1], [0])]
    """

    def __init__(
        self,
        paths: PathLike | Iterable[PathLike],
        encoder: TabularEncoder | None = None,
        label: str | None = None,
        batch_size: int = 65536,
        *,
        sample_weight: str | None = None,
        columns: Sequence[str] | None = None,
        shuffle: bool = False,
        shuffle_window: int = 2**18,
        seed: int = 0,
    ) -> None:
        parquet = import_parquet()
        files = find_files(paths, _ENDINGS)
        super().__init__(files, batch_size, shuffle, shuffle_window, seed)
        self.encoder = encoder
        self._partitions, self._values = partitions_of(self.paths)
        self._groups: list[_RowGroup] = []
        self._columns: Selection | None = None
        for number, path in enumerate(self.paths):
            metadata = _metadata(parquet, path)
            names = metadata.schema.to_arrow_schema().names
            there = [*names, *(name for name in self._partitions if name not in names)]
            with naming(path):
                chosen = Selection(encoder, label, sample_weight, columns, there)
            self._columns = self._columns or chosen
            if columns is None and encoder is None and chosen.all != self._columns.all:
                raise ValueError(f"{path} has other columns than {self.paths[0]}: {names}")
            self._groups += [
                _RowGroup(number, group, metadata.row_group(group).num_rows)
                for group in range(metadata.num_row_groups)
            ]
            self._count_rows(number, metadata.num_rows)
        self._texts = texts_of(encoder)  # read as dictionaries, which are encoded faster

    def _read(self, epoch: int | None, first: int) -> Iterator[Part]:
        parquet = import_parquet()
        opened: tuple[int, Any] = (-1, None)
        for unit in self._units(epoch, len(self._groups)):
            group = self._groups[unit]
            if first >= group.rows:
                first -= group.rows
                continue
            if opened[0] != group.file:
                opened = (group.file, self._open(parquet, group.file))
            for part in self._read_group(opened[1], group):
                if first < len(part):
                    yield part.between(first, len(part))
                first = max(0, first - len(part))

    def _open(self, parquet: Any, number: int) -> Any:
        path, (_, size, rows) = self.paths[number], self._files[number]
        with naming(path):
            found = parquet.ParquetFile(
                path, buffer_size=_BUFFER_BYTES, read_dictionary=self._texts
            )
        if os.path.getsize(path) != size or found.metadata.num_rows != rows:
            raise ValueError(f"{path} was changed since this reader was made")
        return found

    def _read_group(self, file: Any, group: _RowGroup) -> Iterator[Part]:
        assert self._columns is not None
        own = [name for name in self._columns.all if name in file.schema_arrow.names]
        size, start = min(self.batch_size, _ROWS_AT_ONCE), 0
        path = self.paths[group.file]
        batches = file.iter_batches(size, row_groups=[group.number], columns=own)
        while True:
            with naming(f"{path}: row group {group.number}, rows from {start} on"):
                batch = next(batches, None)
                if batch is None:
                    return
                part = self._columns.part(self._with_partitions(batch, group.file))
            yield part
            start += len(part)

    def _with_partitions(self, batch: Any, number: int) -> Any:
        """A table of a batch and of the columns that its path stands for."""
        import pyarrow

        assert self._columns is not None
        table = pyarrow.Table.from_batches([batch])
        for name, value in zip(self._partitions, self._values[number], strict=True):
            if name in self._columns.all and name not in table.column_names:
                values = {each[self._partitions.index(name)] for each in self._values} - {None}
                kind = pyarrow.int64() if values and type(min(values)) is int else pyarrow.string()
                constant = pyarrow.repeat(pyarrow.scalar(value, kind), batch.num_rows)
                table = table.append_column(name, constant)
        return table

    def _given(self, block: Part) -> Any:
        return (block.X, block.y) if block.weights is None else (block.X, block.y, block.weights)

    def _options(self) -> dict[str, Any]:
        assert self._columns is not None
        groups = np.array([group.rows for group in self._groups], "<i8")
        digest = zlib.crc32(groups.tobytes()) if self.shuffle else None
        return {**self._columns.describe(), "row_groups": digest}


def _metadata(parquet: Any, path: str) -> Any:
    with naming(f"{path} is no Parquet file, or corrupted"):
        return parquet.read_metadata(path)


def import_parquet() -> Any:
    """``pyarrow.parquet``, or an ImportError that says what to install."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError('Parquet files need pyarrow: pip install "lowprec[data]"') from error
    return pyarrow.parquet
