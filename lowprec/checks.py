"""Checks of plain arguments, shared by the public functions."""

from __future__ import annotations

import operator
import os
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Choice = TypeVar("Choice", bound=str)


def check_int(name: str, value: Any, *, low: int, high: int | None = None) -> int:
    """`value` as an int in [low, high); TypeError or ValueError names the argument."""
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if number < low or (high is not None and number >= high):
        limit = f"at least {low}" if high is None else f"in [{low}, {high})"
        raise ValueError(f"{name} must be {limit}, got {number}")
    return number


def check_seed(seed: Any) -> int:
    """A seed: an int in [0, 2**64)."""
    return check_int("seed", seed, low=0, high=2**64)


def check_choice(name: str, value: Choice, choices: Collection[str]) -> Choice:
    """`value` if it is one of `choices`; ValueError names them all."""
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {expected}; got {value!r}")
    return value


def check_flag(name: str, value: Any) -> bool:
    """`value` if it is True or False, or 1 or 0; TypeError otherwise: any text would be true."""
    if not isinstance(value, (bool, np.bool_)) and not (isinstance(value, int) and value in (0, 1)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def check_path(name: str, path: Any) -> str:
    """`path` as text; TypeError or ValueError if it is none."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str or os.PathLike, got {path!r}")
    if not text or "\0" in text:
        raise ValueError(f"{name} must name a file, got {path!r}")
    return text


def as_plain(value: Any) -> Any:
    """A number of NumPy as one of Python, anything else as it is.

    Those of NumPy wrap around, compute in their own precision, and JSON has none of them.
    """
    return value.item() if isinstance(value, np.generic) else value


def entries_of(value: Any) -> list[Any] | None:
    """The entries of a sequence or a 1-D array; None of anything else, such as one number."""
    is_sequence = hasattr(value, "__len__") and hasattr(value, "__getitem__")
    if not is_sequence or isinstance(value, str | bytes | Mapping):
        return None
    return list(value) if getattr(value, "ndim", 1) == 1 else None


def as_array(name: str, values: Any) -> NDArray[Any]:
    """Anything like an array as a plain one of NumPy, without a copy where it is one.

    Raises
    ------
    TypeError
        If entries are masked or missing: what is behind a mask is no value.
    ValueError
        If rows differ in length.
    """
    if type(values) is np.ndarray:
        return values
    if isinstance(values, np.ndarray) and np.ma.is_masked(values):
        raise TypeError(f"{name} has masked entries; fill them first")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} cannot be made an array: {error}") from error
    return _of_columns(name, values, array) if array.dtype == object else array


def _of_columns(name: str, values: Any, array: NDArray[Any]) -> NDArray[Any]:
    """The `array` of objects that `values` became, as numbers if its columns hold numbers.

    Columns of pandas that can hold NA, or that differ in dtype, become arrays of objects.
    """
    dtypes = getattr(values, "dtypes", getattr(values, "dtype", None))
    columns = entries_of(dtypes) or [dtypes]  # a frame has one for each column
    plain = [getattr(each, "numpy_dtype", each) for each in columns]
    if not all(isinstance(each, np.dtype) and holds_numbers(each) for each in plain):
        return array
    missing = np.argwhere(np.asarray(values.isna())) if hasattr(values, "isna") else array[:0]
    if missing.size:
        raise TypeError(f"{name}{missing[0].tolist()} is missing (NA); fill it first")
    return array.astype(np.result_type(*plain))


def holds_numbers(dtype: np.dtype) -> bool:
    """Whether a dtype is one of real numbers: of NumPy, bool included, or of ml_dtypes."""
    return dtype.kind in "biuf" or (dtype.kind == "V" and np.can_cast(dtype, np.float64))


def is_writable(array: Any) -> bool:
    """Whether kernels may write the memory of an array; that of CuPy always can be."""
    return bool(getattr(array.flags, "writeable", True))
