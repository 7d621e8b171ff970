"""Tab-separated text, plain or gzip, as blocks of columns of bytes.

pyarrow decompresses and splits.  What it says about a broken file depends on its version and on
how far its threads had read, so a failure is located here, by reading the file once more.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

# Arrow's default.  Larger blocks read no faster and hold more memory.
BLOCK_BYTES = 1 << 20

_GZIP_MAGIC = b"\x1f\x8b"


class Column(NamedTuple):
    """Fields of a block: field i is `data[offsets[i]:offsets[i + 1]]`."""

    offsets: np.ndarray  # int32 (rows + 1,)
    data: np.ndarray  # uint8

    def field(self, row: int) -> bytes:
        """The bytes of one field."""
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()


class Block(NamedTuple):
    """Consecutive lines of a file."""

    first_line: int  # counted from 1
    columns: list[Column]
    num_rows: int


def read_blocks(path: str, num_fields: int) -> Iterator[Block]:
    """The lines of a file in order, a block at a time, each of exactly `num_fields` fields.

    Lines end in LF, CRLF or CR.  There is no quoting, no header and no character encoding.  An
    empty line counts, and comes as a row of empty fields.  Holds some blocks, never the file.

    Raises
    ------
    ValueError
        If the file is empty, a line has another number of fields or is longer than a block, or a
        .gz file is cut, corrupted or not gzip.  Names the file and the line.
    """
    pyarrow, csv = import_pyarrow()
    compression = _compression(path)
    first_line = 1
    try:
        with pyarrow.input_stream(path, compression=compression) as stream:
            for batch in csv.open_csv(stream, **_options(pyarrow, csv, num_fields)):
                columns = [_as_column(array) for array in batch.columns]
                yield Block(first_line, columns, batch.num_rows)
                first_line += batch.num_rows
    except (pyarrow.ArrowInvalid, OSError) as error:
        fault = _find_fault(pyarrow, path, compression, num_fields)
        raise ValueError(f"{path}: {fault or error}") from error


def import_pyarrow() -> tuple[Any, Any]:
    """`(pyarrow, pyarrow.csv)`, or an ImportError that says what to install."""
    try:
        import pyarrow
        import pyarrow.csv
    except ImportError as error:
        raise ImportError(
            'reading Criteo files needs pyarrow: pip install "lowprec[data]"'
        ) from error
    return pyarrow, pyarrow.csv


def _options(pyarrow: Any, csv: Any, num_fields: int) -> dict[str, Any]:
    names = [str(i) for i in range(num_fields)]
    return {
        "read_options": csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES),
        "parse_options": csv.ParseOptions(
            delimiter="\t", quote_char=False, double_quote=False, ignore_empty_lines=False
        ),
        # Binary: a column of strings would have to be valid UTF-8.
        "convert_options": csv.ConvertOptions(
            column_types=dict.fromkeys(names, pyarrow.binary()), strings_can_be_null=False
        ),
    }


def _as_column(array: Any) -> Column:
    _, offsets, data = array.buffers()
    stop = array.offset + len(array) + 1
    return Column(
        np.frombuffer(offsets, np.int32)[array.offset : stop],
        np.frombuffer(b"" if data is None else data, np.uint8),
    )


def _compression(path: str) -> str | None:
    with open(path, "rb") as file:
        magic = file.read(len(_GZIP_MAGIC))
    if magic == _GZIP_MAGIC:
        return "gzip"
    if magic and path.lower().endswith(".gz"):
        raise ValueError(f"{path}: named .gz, but its first bytes {magic!r} are not gzip's")
    return None


def _find_fault(pyarrow: Any, path: str, compression: str | None, num_fields: int) -> str | None:
    """What is wrong with a file that could not be read, or None when a second look finds nothing.

    The limit to `readline` keeps a file without line ends out of memory, and Latin-1 decodes any
    bytes; lines end where pyarrow ends them.
    """
    number = 0
    with pyarrow.input_stream(path, compression=compression) as stream:
        text = io.TextIOWrapper(io.BufferedReader(stream), encoding="latin-1")
        try:
            while line := text.readline(BLOCK_BYTES):
                number += 1
                if len(line) == BLOCK_BYTES:
                    return f"line {number} is longer than {BLOCK_BYTES} bytes"
                fields = line.count("\t") + 1
                if fields != num_fields:
                    return f"line {number} has {fields} tab-separated fields, not {num_fields}"
        except OSError as error:
            return f"the file is cut or corrupted somewhere after line {number}: {error}"
    return None if number else "the file is empty"
