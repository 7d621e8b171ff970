"""Columns that folders called ``name=value`` stand for, as Hive writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

_MISSING = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile("-?[0-9]{1,18}")


def partitions_of(paths: Sequence[str]) -> tuple[list[str], list[list[Any]]]:
    """The names of such columns in all paths, and their values for each path.

    A column is of integers if all its values are, and else of texts; a path without a folder of
    that name has None.
    """
    found = [_values(path) for path in paths]
    names = list(dict.fromkeys(name for values in found for name in values))
    given = {name: [values[name] for values in found if values.get(name)] for name in names}
    numeric = {
        name: all(_INTEGER.fullmatch(value) for value in given[name] if value is not None)
        for name in names
    }
    return names, [
        [_as(numeric[name], values.get(name)) for name in names] for values in found
    ]  # fmt: skip


def _values(path: str) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    for folder in re.split(r"[/\\]", path)[:-1]:
        name, equals, value = folder.partition("=")
        if equals and name:
            values[unquote(name)] = None if value in ("", _MISSING) else unquote(value)
    return values


def _as(numeric: bool, value: str | None) -> Any:
    return int(value) if numeric and value is not None else value
