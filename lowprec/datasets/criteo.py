"""The Criteo click logs (Kaggle Display Advertising Challenge format)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lowprec.batches.samples import Samples
from lowprec.datasets.finding import PathLike, find_files
from lowprec.datasets.parts import Part
from lowprec.datasets.sizes import as_sizes
from lowprec.datasets.texts import TextReader
from lowprec.datasets.tsv import Block, Column, import_pyarrow, read_blocks
from lowprec.kernels.cpu.criteo import category_column, dense_column, label_column

NUM_DENSE = 13
NUM_FEATURES = 26
NUM_FIELDS = 1 + NUM_DENSE + NUM_FEATURES

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

    Categories are hashed together with their feature (Criteo hash version 1, ``docs/hash.md``).  No
    dictionary is kept, and ids never change.  Two categories of a feature may get the same id.

    Parameters
    ----------
    path_or_paths : path or iterable of paths
        Files, folders or patterns, as `CriteoReader` takes them, read in this order.  A file that
        starts as gzip does is decompressed; no other compression or archive is.
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
    This is the format of the Display Advertising Challenge (Criteo Labs, Kaggle, 2014), and of
    Criteo's later click logs.

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
    paths = [file.path for file in find_files(path_or_paths)]
    sizes = as_sizes(num_embeddings, NUM_FEATURES)
    import_pyarrow()  # fail here, not at the first block
    rows = (_parse(path, block, sizes) for path in paths for block in read_blocks(path, NUM_FIELDS))
    dense, indices, y = _join(rows)
    return (dense, indices), y


class CriteoReader(TextReader):
    r"""Stream Criteo files in blocks, without ever holding a file in memory.

    A thread reads ahead.  Every iteration reads the files again from the start; `blocks` returns
    the blocks of another epoch, or from another row on.  Blocks run across the ends of files.  The
    format, the transforms and the errors are those of `load_criteo`; an error is raised when its
    rows are reached.

    Parameters
    ----------
    paths : path or iterable of paths
        Files, folders or patterns, read in this order.  A folder means all files in it and in its
        folders, by their names, but for those that begin with ``.`` or ``_``.  Patterns are those
        of `glob`, where ``**`` is any number of folders.
    num_embeddings : int or sequence of 26 ints, default 100_000
        Number of ids per feature.
    batch_size : int, default 65536
        Rows of every block but the last.  The batches of a model do not depend on it.
    shuffle : bool, default False
        Whether each epoch has the files in a random order, and the rows of each `shuffle_window`
        in a random order.
    shuffle_window : int, default 262144
        How many rows are shuffled at once, in memory, where up to three times as many are held.
    seed : int, default 0
        Determines the random orders, together with the number of the epoch.

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

    num_embeddings: tuple[int, ...]

    def __init__(
        self,
        paths: PathLike | Iterable[PathLike],
        num_embeddings: int | Sequence[int] = 100_000,
        batch_size: int = 65536,
        *,
        shuffle: bool = False,
        shuffle_window: int = 2**18,
        seed: int = 0,
    ) -> None:
        super().__init__(find_files(paths), batch_size, shuffle, shuffle_window, seed)
        self.num_embeddings = as_sizes(num_embeddings, NUM_FEATURES)
        import_pyarrow()  # fail here, not at the first block

    def _pieces(self, path: str) -> Iterator[Block]:
        return read_blocks(path, NUM_FIELDS)

    def _parse(self, path: str, piece: Block, start: int) -> Part:
        dense, indices, y = _parse(path, piece, self.num_embeddings)
        return Part(Samples(dense, indices), y)

    def _given(self, block: Part) -> Batch:
        assert block.y is not None
        return (_own(block.X.dense), _own(block.X.indices)), _own(block.y)

    def _options(self) -> dict[str, Any]:
        return {"num_embeddings": list(self.num_embeddings)}


def _own(array: np.ndarray) -> np.ndarray:
    """A view would keep all rows of which it is a part."""
    return array if array.base is None else array.copy()


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


def _join(parts: Iterable[_Rows]) -> _Rows:
    joined = []
    for arrays in [list(arrays) for arrays in zip(*parts, strict=True)]:
        joined.append(np.concatenate(arrays))
        arrays.clear()  # load_criteo: free the blocks of one array before the next is joined
    return _Rows(*joined)
