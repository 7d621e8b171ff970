"""The Criteo click logs (Kaggle Display Advertising Challenge format)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from lowprec.checks import check_int, check_path
from lowprec.datasets.sizes import as_sizes
from lowprec.datasets.tsv import Block, Column, import_pyarrow, read_blocks
from lowprec.kernels.cpu.criteo import category_column, dense_column, label_column

NUM_DENSE = 13
NUM_FEATURES = 26
NUM_FIELDS = 1 + NUM_DENSE + NUM_FEATURES

PathLike: TypeAlias = "str | os.PathLike[str]"
Batch: TypeAlias = "tuple[tuple[np.ndarray, np.ndarray], np.ndarray]"

_SHOWN_BYTES = 40  # of a bad value, in its error message


class _Rows(NamedTuple):
    dense: np.ndarray  # float32 (n, 13)
    indices: np.ndarray  # int32 (n, 26)
    y: np.ndarray  # int8 (n,)


def load_criteo(
    path_or_paths: PathLike | Iterable[PathLike], num_embeddings: int | Sequence[int] = 100_000
) -> Batch:
    r"""Read Criteo files into memory.

    A line is a label, 13 integers and 26 categories, separated by tabs, without a header:

    ======== ========================== ======================== ==========================
    fields   text                       missing (empty)          becomes
    ======== ========================== ======================== ==========================
    1        ``0`` or ``1``             an error                 ``y``
    2 - 14   an integer of 64 bits      0                        sign(x) * log(1 + abs(x))
    15 - 40  1 to 8 hexadecimal digits  a category of its own    an id below num_embeddings
    ======== ========================== ======================== ==========================

    Empty lines at the end of a file are left out.

    Categories are hashed with their feature (Criteo hash version 1, ``docs/hash.md``): no
    dictionary is kept, ids never change, and two categories of a feature share an id at random.

    Parameters
    ----------
    path_or_paths : path or iterable of paths
        Read in this order.  A file that starts as gzip does is decompressed; no other compression
        or archive is.
    num_embeddings : int or sequence of 26 ints, default 100_000
        Number of ids per feature, each in [1, 2**31].

    Returns
    -------
    X : tuple of (dense, indices)
        float32 (n, 13) and int32 (n, 26).
    y : ndarray
        int8 (n,).

    Raises
    ------
    ValueError
        If a line is not as above, or a file is empty, corrupted or of another kind, such as .zip:
        names the file, and the line and the field, or the kind.  Or if there is no path, or
        `num_embeddings` is below 1.
    TypeError
        If a path or `num_embeddings` has the wrong type.
    FileNotFoundError
        If a file does not exist.
    ImportError
        Without pyarrow (``pip install "lowprec[data]"``).

    See Also
    --------
    CriteoReader : for files larger than memory; this function needs 260 bytes a row at its peak.

    Notes
    -----
    The format is that of the files of the Display Advertising Challenge (Criteo Labs, Kaggle,
    2014), and of Criteo's later click logs.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lowprec.datasets import load_criteo
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "day.tsv")
    >>> line = "\t".join(["1"] + ["7"] * 13 + ["0a1b2c3d"] * 26)
    >>> _ = path.write_text(f"{line}\n" * 3)
    >>> (dense, indices), y = load_criteo(path, num_embeddings=1000)
    >>> dense.shape, indices.shape, y
    ((3, 13), (3, 26), array([1, 1, 1], dtype=int8))
    >>> folder.cleanup()
    """
    reader = CriteoReader(path_or_paths, num_embeddings)
    dense, indices, y = _join(reader._blocks())
    return (dense, indices), y


class CriteoReader:
    r"""Stream Criteo files in batches, without ever holding a file in memory.

    Every iteration reads the files again from the start.  Batches run across the ends of files.
    The format, the transforms and the errors are those of `load_criteo`; an error is raised when
    its block (1 MiB of text) is reached.

    Parameters
    ----------
    paths : path or iterable of paths
        Read in this order.
    num_embeddings : int or sequence of 26 ints, default 100_000
        Number of ids per feature.
    batch_size : int, default 65536
        Rows in every batch but the last.

    Yields
    ------
    X : tuple of (dense, indices)
        float32 (batch_size, 13) and int32 (batch_size, 26); new arrays every time.
    y : ndarray
        int8 (batch_size,).

    Raises
    ------
    TypeError, ValueError, FileNotFoundError, ImportError
        As for `load_criteo`: for its arguments at once, for what is in a file when it is reached.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lowprec.datasets import CriteoReader
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "day.tsv")
    >>> line = "\t".join(["0"] + [""] * 13 + ["0a1b2c3d"] * 26)
    >>> _ = path.write_text(f"{line}\n" * 5)
    >>> [len(y) for X, y in CriteoReader([path, path], batch_size=4)]
    [4, 4, 2]
    >>> folder.cleanup()
    """

    def __init__(
        self,
        paths: PathLike | Iterable[PathLike],
        num_embeddings: int | Sequence[int] = 100_000,
        batch_size: int = 65536,
    ) -> None:
        self.paths = _as_paths(paths)
        self.num_embeddings = as_sizes(num_embeddings, NUM_FEATURES)
        self.batch_size = check_int("batch_size", batch_size, low=1, high=2**31)
        import_pyarrow()  # fail here, not at the first batch

    def __iter__(self) -> Iterator[Batch]:
        for dense, indices, y in _rebatch(self._blocks(), self.batch_size):
            yield (dense, indices), y

    def _blocks(self) -> Iterator[_Rows]:
        for path in self.paths:
            for block in read_blocks(path, NUM_FIELDS):
                yield _parse(path, block, self.num_embeddings)


def _as_paths(paths: PathLike | Iterable[PathLike]) -> tuple[str, ...]:
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    elif isinstance(paths, bytes) or not isinstance(paths, Iterable):
        raise TypeError(f"paths must be a path or an iterable of paths, got {paths!r}")
    names = tuple(_as_path(path) for path in paths)
    if not names:
        raise ValueError("paths must name at least one file, got none")
    return names


def _as_path(path: PathLike) -> str:
    name = check_path("a path", path)
    os.stat(name)  # FileNotFoundError now, not hours later when the files before it were read
    return name


def _parse(path: str, block: Block, sizes: Sequence[int]) -> _Rows:
    """The rows of a block; ValueError for its first line with a bad field."""
    rows = _Rows(
        np.empty((block.num_rows, NUM_DENSE), np.float32),
        np.empty((block.num_rows, NUM_FEATURES), np.int32),
        np.empty(block.num_rows, np.int8),
    )
    label, columns = block.columns[0], block.columns[1:]
    bad_rows = [label_column(*label, rows.y)]
    for feature, column in enumerate(columns[:NUM_DENSE]):
        bad_rows.append(dense_column(*column, feature, rows.dense))
    for feature, column in enumerate(columns[NUM_DENSE:]):
        bad_rows.append(category_column(*column, feature, sizes[feature], rows.indices))
    if max(bad_rows) >= 0:
        row, field = min((row, field) for field, row in enumerate(bad_rows) if row >= 0)
        raise ValueError(f"{path}: line {block.first_line + row}{_complaint(block, row, field)}")
    return rows


def _complaint(block: Block, row: int, field: int) -> str:
    if not any(column.field(row) for column in block.columns):
        return f" holds no values, expected {NUM_FIELDS} tab-separated fields"
    value = _shown(block.columns[field], row)
    if field == 0:
        return f", field 1 (the label): {value} is not 0 or 1"
    if field <= NUM_DENSE:
        return f", field {field + 1} (integer {field}): {value} is not a 64-bit integer"
    return (
        f", field {field + 1} (category {field - NUM_DENSE}): "
        f"{value} is not 1 to 8 hexadecimal digits"
    )


def _shown(column: Column, row: int) -> str:
    value = column.field(row)
    text = repr(value[:_SHOWN_BYTES])[1:]  # without the b: it is bytes only to the parser
    return text if len(value) <= _SHOWN_BYTES else f"{text}... ({len(value)} bytes)"


def _rebatch(blocks: Iterable[_Rows], batch_size: int) -> Iterator[_Rows]:
    """The same rows in batches of `batch_size`, the last one smaller."""
    parts: list[_Rows] = []
    missing = batch_size
    for block in blocks:
        start = 0
        while start < len(block.y):
            part = _Rows(*(array[start : start + missing] for array in block))
            parts.append(part)
            start += len(part.y)
            missing -= len(part.y)
            if missing == 0:
                yield _join(parts)
                parts, missing = [], batch_size
    if parts:
        yield _join(parts)


def _join(parts: Iterable[_Rows]) -> _Rows:
    joined = []
    for arrays in [list(arrays) for arrays in zip(*parts, strict=True)]:
        joined.append(np.concatenate(arrays))
        arrays.clear()  # load_criteo: free the blocks of one array before the next is joined
    return _Rows(*joined)
