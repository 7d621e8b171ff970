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
_HEAD_BYTES = 512
# what begins like this is no text: (where, the bytes, what it is)
_OTHER_KINDS = (
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd (.zst)"),
    (0, b"\x50\x2a\x4d\x18", "compressed by zstd (.zst)"),  # by many threads
    (0, b"BZh", "compressed by bzip2 (.bz2)"),
    (0, b"\xfd7zXZ\x00", "compressed by xz (.xz)"),
    (0, b"\x04\x22\x4d\x18", "compressed by LZ4 (.lz4)"),
    (0, b"\x02\x21\x4c\x18", "compressed by LZ4 (.lz4)"),
    (0, b"\xff\x06\x00\x00sNaPpY", "compressed by Snappy (.sz)"),
    (0, b"\x1f\x9d", "compressed by compress (.Z)"),
    (0, _GZIP_MAGIC, "compressed by gzip (.gz)"),
    (0, b"PK\x03\x04", "a ZIP archive (.zip)"),
    (0, b"PK\x05\x06", "a ZIP archive (.zip)"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive (.7z)"),
    (0, b"Rar!\x1a\x07", "a RAR archive (.rar)"),
    (257, b"ustar", "a tar archive (.tar)"),
    (0, b"PAR1", "a Parquet file (.parquet)"),
    (0, b"PARE", "a Parquet file (.parquet)"),
    (0, b"ARROW1", "an Arrow file (.arrow, .feather)"),
    (0, b"ORC", "an ORC file (.orc)"),
    (0, b"Obj\x01", "an Avro file (.avro)"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5)"),
    (0, b"\x93NUMPY", "a NumPy file (.npy)"),
)


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

    def rows(self, count: int) -> Block:
        """The first ones of the lines, without a copy."""
        columns = [Column(column.offsets[: count + 1], column.data) for column in self.columns]
        return Block(self.first_line, columns, count)


def read_blocks(path: str, num_fields: int) -> Iterator[Block]:
    """The lines of a file in order, a block at a time, each of exactly `num_fields` fields.

    Lines end in LF, CRLF or CR.  There is no quoting, no header and no character encoding.  Empty
    lines at the end of the file are left out; any other counts, and comes as a row of empty fields.
    Holds some blocks, never the file.

    Raises
    ------
    ValueError
        If the file is empty, a line has another number of fields or is longer than a block, a .gz
        file is cut, corrupted or not gzip, or the file is of another kind, such as .zip.  Names the
        file and the line.
    """
    pyarrow, csv = import_pyarrow()
    compression = compression_of(path)
    _check_kind(pyarrow, path, compression)
    first_line, empty = 1, 0  # lines without values, which may be the last ones of the file
    try:
        with pyarrow.input_stream(path, compression=compression) as stream:
            for batch in csv.open_csv(stream, **_options(pyarrow, csv, num_fields)):
                columns = [_as_column(array) for array in batch.columns]
                block = Block(first_line, columns, batch.num_rows)
                first_line += batch.num_rows
                filled = _rows_up_to_a_value(block)
                if filled:
                    if empty:
                        yield _empty_rows(block.first_line - empty, empty, num_fields)
                    yield block.rows(filled)
                    empty = 0
                empty += block.num_rows - filled
        if empty and (empty == first_line - 1 or not _ends_in_empty_lines(pyarrow, path, empty)):
            yield _empty_rows(first_line - empty, empty, num_fields)
    except (pyarrow.ArrowInvalid, OSError) as error:
        fault = _find_fault(pyarrow, path, compression, num_fields)
        raise ValueError(f"{path}: {fault or error}") from error


def bytes_of_a_line(path: str) -> float | None:
    """About how many bytes of a file a line takes, by the first block; None if none was found."""
    pyarrow, _ = import_pyarrow()
    try:
        compression = compression_of(path)
        with open(path, "rb") as file, pyarrow.PythonFile(file, mode="r") as raw:
            stream = raw
            if compression is not None:
                stream = pyarrow.CompressedInputStream(raw, compression)
            lines = stream.read(BLOCK_BYTES).count(b"\n")
            return file.tell() / lines if lines else None
    except (OSError, ValueError):  # said better when the rows are read
        return None


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


def compression_of(path: str) -> str | None:
    """What pyarrow calls the compression of a file, by its first bytes."""
    with open(path, "rb") as file:
        magic = file.read(len(_GZIP_MAGIC))
    if magic == _GZIP_MAGIC:
        return "gzip"
    if magic and path.lower().endswith(".gz"):
        raise ValueError(f"{path}: named .gz, but its first bytes {magic!r} are not gzip's")
    return None


def _check_kind(pyarrow: Any, path: str, compression: str | None) -> None:
    """ValueError if a file, or what is compressed in it, is known to be no text."""
    try:
        with pyarrow.input_stream(path, compression=compression) as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:  # cut or corrupted: found again when it is read
        return
    for place, magic, kind in _OTHER_KINDS:
        if head[place : place + len(magic)] == magic:
            inside = f"gzip, and in it something that is {kind}" if compression else kind
            raise ValueError(f"{path}: the file is {inside}, not tab-separated text")


def _rows_up_to_a_value(block: Block) -> int:
    """How many rows there are up to the last one that has a value."""
    if block.columns[0].field(block.num_rows - 1):  # of the first column: as good as always
        return block.num_rows
    filled = [np.flatnonzero(np.diff(column.offsets)) for column in block.columns]
    return max((int(rows[-1]) + 1 for rows in filled if rows.size), default=0)


def _empty_rows(first_line: int, count: int, num_fields: int) -> Block:
    nothing = Column(np.zeros(count + 1, np.int32), np.empty(0, np.uint8))
    return Block(first_line, [nothing] * num_fields, count)


def _ends_in_empty_lines(pyarrow: Any, path: str, count: int) -> bool:
    """Whether the last `count` lines of a file are empty, without tabs; reads it once more."""
    size = 2 * (count + 1)  # so many bytes hold the ends of these lines and of the one before
    tail = b""
    with pyarrow.input_stream(path, compression=compression_of(path)) as stream:
        if stream.seekable():
            stream.seek(max(0, stream.size() - size))
        while piece := stream.read(BLOCK_BYTES):
            tail = (tail + piece)[-size:]
    ends = tail[len(tail.rstrip(b"\r\n")) :]
    return len(ends.splitlines()) > count


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
