"""What a column holds, by its Arrow type, and what it becomes unless the user says so."""

from __future__ import annotations

import functools
from typing import Any

from lowprec.encoders.frames import import_pyarrow

CATEGORICAL, NUMERICAL, MULTI = "categorical", "numerical", "multi"
ROLES = (CATEGORICAL, NUMERICAL, MULTI)

TEXT, NUMBER, INSTANT, DURATION, TIME = "text", "number", "instant", "duration", "time of day"
KINDS = (TEXT, NUMBER, INSTANT, DURATION, TIME)

# By the names of the predicates of pyarrow.types, of which older versions lack some.
_KINDS = {
    TEXT: "string large_string string_view binary large_binary binary_view fixed_size_binary",
    NUMBER: "boolean integer floating decimal",
    INSTANT: "date timestamp",
    DURATION: "duration",
    TIME: "time",
}
_LISTS = "list large_list fixed_size_list list_view large_list_view"
_CATEGORIES = "string large_string string_view binary large_binary binary_view fixed_size_binary " \
    "dictionary boolean date"  # fmt: skip
SUPPORTED = (
    "text, bytes, booleans, integers, floats, decimals, dates, times, durations, dictionaries of "
    "these and lists of these"
)


@functools.cache
def is_list(type_: Any) -> bool:
    """Whether values are lists."""
    return _is(type_, _LISTS)


@functools.cache
def kind_of(type_: Any) -> str | None:
    """The kind of the values, of the entries where they are lists; None where all are missing.

    TypeError for types that no encoding is known for.
    """
    types = import_pyarrow().types
    if types.is_null(type_):
        return None
    if is_list(type_) or types.is_dictionary(type_):
        inner = type_.value_type
        if not is_list(inner):
            return kind_of(inner)
    for kind, predicates in _KINDS.items():
        if _is(type_, predicates):
            return kind
    raise TypeError(f"holds {type_}; supported are {SUPPORTED}")


def role_of(type_: Any) -> str:
    """What a column of this type becomes if it is not named: one of `ROLES`."""
    if is_list(type_):
        return MULTI
    return CATEGORICAL if _is(type_, _CATEGORIES) else NUMERICAL


def type_holds_nothing(type_: Any) -> bool:
    """Whether a type is that of missing values alone."""
    return bool(import_pyarrow().types.is_null(type_))


def _is(type_: Any, predicates: str) -> bool:
    types = import_pyarrow().types
    return any(getattr(types, f"is_{name}", _never)(type_) for name in predicates.split())


def _never(type_: Any) -> bool:
    return False
