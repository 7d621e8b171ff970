"""A column of a frame: what it is encoded as, and whether what comes later fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lowprec.encoders.categories import Grown, Hashed, Learned
from lowprec.encoders.frames import import_pyarrow
from lowprec.encoders.kinds import MULTI, NUMERICAL, TEXT, is_list, kind_of
from lowprec.encoders.numbers import InfiniteValueError, Numbers, check_finite
from lowprec.encoders.values import floats_of, keys_of

Encoding: TypeAlias = Grown | Hashed | Learned | Numbers


@dataclass(frozen=True)
class Column:
    """A column as it was fitted."""

    name: str
    role: str
    kind: str | None  # of its values; None until there is one
    encoding: Encoding

    def fitting(self, column: Any) -> Any:
        """The chunked array, if this is a column of such values; all missing ones fit.

        TypeError says what does not fit.
        """
        try:
            kind = kind_of(column.type)
        except TypeError as error:
            raise TypeError(f"column {self.name!r} {error}") from None
        lists = is_list(column.type)
        if (kind is None and not lists) or _all_missing(column):
            return import_pyarrow().chunked_array([import_pyarrow().nulls(len(column))])
        if lists != (self.role == MULTI):
            expected = "lists" if self.role == MULTI else "single values"
            raise TypeError(
                f"column {self.name!r} is {self.role}, which takes {expected}; it holds "
                f"{column.type}"
            )
        if self.role == NUMERICAL and kind == TEXT:
            raise TypeError(f"column {self.name!r} is {self.role}; it holds {column.type}")
        if None not in (kind, self.kind) and kind != self.kind:
            raise TypeError(
                f"column {self.name!r} holds {column.type}; it was fitted on values of the kind "
                f"{self.kind!r}"
            )
        return column

    def read(self, column: Any) -> tuple[str | None, NDArray[Any]]:
        """The kind of the values of a fitting chunked array, and all that are not missing.

        ValueError names one that has no encoding.
        """
        kind = kind_of(column.type)
        parts: list[NDArray[Any]] = []
        row = 0
        for chunk in column.chunks:
            with naming(self.name, row):
                parts.append(self._read(chunk))
            row += len(chunk)
        dtype = np.float64 if self.role == NUMERICAL else np.uint64
        return kind or self.kind, np.concatenate([np.empty(0, dtype), *parts])

    def _read(self, chunk: Any) -> NDArray[Any]:
        if self.role == NUMERICAL:
            values = floats_of(chunk)
            check_finite(values)
            return values[~np.isnan(values)]
        entries = chunk.flatten() if is_list(chunk.type) else chunk
        return keys_of(entries).present()

    def seen(self, kind: str | None, values: NDArray[Any]) -> Column:
        """This column once it has seen what was `read`."""
        return replace(self, kind=kind, encoding=self.encoding.seen(values))


class naming:  # noqa: N801 - a context
    """Errors of values inside this block name the column, and the row that they count from."""

    def __init__(self, name: str, row: int) -> None:
        self.name, self.row = name, row

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, InfiniteValueError):
            row = self.row + error.row
            raise ValueError(
                f"column {self.name!r}, row {row}: {error.value} is not finite"
            ) from None
        if isinstance(error, ValueError):
            raise ValueError(f"column {self.name!r} {error}") from error


def _all_missing(column: Any) -> bool:
    """Whether there is no value, where a type that no values had might say what they are."""
    pyarrow = import_pyarrow()
    if column.null_count == len(column):
        return True
    if not pyarrow.types.is_floating(column.type):
        return False
    first = next(chunk for chunk in column.chunks if len(chunk))
    if not np.isnan(floats_of(first[:1])[0]):
        return False  # nearly always
    return bool(all(np.isnan(floats_of(chunk)).all() for chunk in column.chunks))
