"""Any frame as columns of Arrow, through the Arrow capsule interface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Frame:
    """Named columns of equal lengths, each a ``pyarrow.ChunkedArray``."""

    columns: Mapping[str, Any]
    num_rows: int


def import_pyarrow() -> Any:
    """pyarrow with its functions, or an ImportError that says what to install."""
    try:
        import pyarrow
        import pyarrow.compute
    except ImportError as error:
        raise ImportError('TabularEncoder needs pyarrow: pip install "lowprec[data]"') from error
    return pyarrow


def is_frame(values: Any) -> bool:
    """Whether it is a frame, which `read_frame` may still refuse."""
    return any(
        hasattr(values, name) for name in ("__arrow_c_stream__", "__arrow_c_array__", "columns")
    )


def read_frame(frame: Any) -> Frame:
    """The columns of a frame, without a copy where its library needs none.

    The index of a pandas frame is no column.

    Raises
    ------
    ImportError
        Without pyarrow.
    TypeError
        If it is no frame, or a column holds Python objects of several types.
    ValueError
        If two columns have the same name, or there is no column.
    """
    pyarrow = import_pyarrow()
    table = _as_table(pyarrow, frame)
    index = _index_columns(table.schema.metadata)
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in columns:
            raise ValueError(f"the frame has two columns named {name!r}")
        if name not in index:
            columns[name] = _plain(pyarrow, column)
    if not columns:
        raise ValueError("the frame has no columns")
    return Frame(columns, table.num_rows)


def _as_table(pyarrow: Any, frame: Any) -> Any:
    if isinstance(frame, pyarrow.Table):
        return frame
    if isinstance(frame, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([frame])
    if not (hasattr(frame, "__arrow_c_stream__") or hasattr(frame, "__arrow_c_array__")):
        raise TypeError(
            "X must be a frame with the Arrow capsule interface, such as one of pandas 2.2 or "
            f"newer, polars, pyarrow or DuckDB; got {type(frame).__module__}."
            f"{type(frame).__name__}"
        )
    try:
        return pyarrow.table(frame)
    except pyarrow.ArrowException as error:
        reason = " ".join(str(each) for each in error.args)
        raise TypeError(f"the frame cannot be read as columns of Arrow: {reason}") from error


def _index_columns(metadata: Mapping[bytes, bytes] | None) -> set[str]:
    """The columns that hold the index of a pandas frame, by what pandas says in the schema."""
    described = json.loads((metadata or {}).get(b"pandas", b"{}"))
    return {name for name in described.get("index_columns", []) if isinstance(name, str)}


def _plain(pyarrow: Any, column: Any) -> Any:
    """The column as it is stored, without its extension type."""
    if not isinstance(column.type, pyarrow.BaseExtensionType):
        return column
    chunks = [chunk.storage for chunk in column.chunks]
    return pyarrow.chunked_array(chunks, column.type.storage_type)
