"""CSV files, larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lowprec.checks import entries_of
from lowprec.datasets.columns import Selection, texts_of
from lowprec.datasets.finding import PathLike, find_files
from lowprec.datasets.naming import naming
from lowprec.datasets.parts import Part
from lowprec.datasets.texts import TextReader
from lowprec.datasets.tsv import BLOCK_BYTES, compression_of, import_pyarrow
from lowprec.encoders.tabular import TabularEncoder

_ENDINGS = (".csv", ".csv.gz")
_BYTES_FOR_TYPES = 1 << 24


class CsvReader(TextReader):
    """Stream CSV files in blocks, without ever holding a file in memory.

    The first line of each file has the names of its columns.  A thread reads and encodes ahead.
    Every iteration reads the files again from the start; `blocks` returns the blocks of another
    epoch, or from another row on.

    Types are found in the first 16 MiB of the first file and hold for all rows: integers are read
    as float64, and a column that is empty there is text.  With an encoder, columns that it was
    fitted on as text are text.

    Parameters
    ----------
    paths : path or iterable of paths
        Files, folders or patterns, as `ParquetReader` takes them; those of a folder end in ``.csv``
        or ``.csv.gz``.  A file that starts as gzip does is decompressed.
    encoder : TabularEncoder, optional
        As for `ParquetReader`.
    label : str, optional
        As for `ParquetReader`.
    batch_size : int, default 65536
        Rows in every block but the last.
    sample_weight : str, optional
        As for `ParquetReader`.
    columns : sequence of str, optional
        As for `ParquetReader`.
    text : sequence of str, optional
        Columns to read as text, such as ids: integers of more than 53 bits are no float64.
    delimiter : str, default ","
        What separates columns: one character.
    shuffle, shuffle_window, seed
        As for `CriteoReader`.

    Yields
    ------
    X : Samples, or a table of pyarrow
    y : ndarray, or None
    sample_weight : ndarray
        Only where such a column is named.

    Raises
    ------
    FileNotFoundError, ImportError, TypeError, ValueError
        As for `ParquetReader`; a value that is not of the type of its column is a ValueError that
        names the file, the column and the value, when its rows are reached.

    Examples
    --------
    >>> import pathlib, tempfile, lowprec as lp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "a.csv").write_text("city,age,click\\nRome,31,0\\nOslo,,1\\n")
    ...     [(X.to_pydict(), y.tolist()) for X, y in lp.datasets.CsvReader(folder, label="click")]
    [({'city': ['Rome', 'Oslo'], 'age': [31.0, None]}, [0, 1])]
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
        text: Sequence[str] | None = None,
        delimiter: str = ",",
        shuffle: bool = False,
        shuffle_window: int = 2**18,
        seed: int = 0,
    ) -> None:
        import_pyarrow()  # fail here, not at the first block
        files = find_files(paths, _ENDINGS)
        super().__init__(files, batch_size, shuffle, shuffle_window, seed)
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            raise ValueError(f"delimiter must be one character, got {delimiter!r}")
        self.encoder, self.delimiter = encoder, delimiter
        schema = self._schema()
        with naming(self.paths[0]):
            self._columns = Selection(encoder, label, sample_weight, columns, schema.names)
        self._types = {
            name: _type_of(schema.field(name).type, name == label)
            for name in self._columns.all
        }  # fmt: skip
        for name in [*_texts(text, self._columns.all), *texts_of(encoder)]:
            self._types[name] = import_pyarrow()[0].string()

    def _schema(self) -> Any:
        """The names and types of columns, by the first rows."""
        pyarrow, _ = import_pyarrow()
        path = self.paths[0]
        with naming(path), self._open(path, _BYTES_FOR_TYPES) as opened:
            schema = opened.schema
            if len(set(schema.names)) < len(schema.names):
                raise ValueError(f"two columns have the same name: {schema.names}")
            return pyarrow.schema(schema)

    def _open(self, path: str, block_bytes: int, **convert: Any) -> Any:
        pyarrow, csv = import_pyarrow()
        stream = pyarrow.input_stream(path, compression=compression_of(path))
        return csv.open_csv(
            stream,
            read_options=csv.ReadOptions(block_size=block_bytes),
            parse_options=csv.ParseOptions(delimiter=self.delimiter),
            convert_options=csv.ConvertOptions(strings_can_be_null=True, **convert),
        )

    def _pieces(self, path: str) -> Iterator[Any]:
        convert = {"column_types": self._types, "include_columns": list(self._types)}
        with naming(path):
            opened = self._open(path, BLOCK_BYTES, **convert)
        while True:
            with naming(path):
                batch = next(opened, None)
            if batch is None:
                return
            if batch.num_rows:
                yield batch

    def _parse(self, path: str, piece: Any, start: int) -> Part:
        pyarrow, _ = import_pyarrow()
        with naming(f"{path}: rows from {start} on"):
            return self._columns.part(pyarrow.Table.from_batches([piece]))

    def _given(self, block: Part) -> Any:
        return (block.X, block.y) if block.weights is None else (block.X, block.y, block.weights)

    def _options(self) -> dict[str, Any]:
        types = {name: str(each) for name, each in self._types.items()}
        return {**self._columns.describe(), "types": types, "delimiter": self.delimiter}


def _type_of(found: Any, is_label: bool) -> Any:
    """What a column is read as whose first rows are of a type."""
    pyarrow, _ = import_pyarrow()
    if pyarrow.types.is_integer(found) and not is_label:
        return pyarrow.float64()
    return pyarrow.string() if pyarrow.types.is_null(found) else found


def _texts(text: Any, there: Sequence[str]) -> list[str]:
    if text is None:
        return []
    names = entries_of(text)
    if names is None or not all(isinstance(name, str) for name in names):
        raise TypeError(f"text must be names of columns, got {text!r}")
    if missing := [name for name in names if name not in there]:
        raise ValueError(f"text names {missing[0]!r}, which is no column that is read")
    return names
