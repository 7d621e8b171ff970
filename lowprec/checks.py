"""Checks of plain arguments, shared by the public functions."""

from __future__ import annotations

import operator
from collections.abc import Collection
from typing import Any


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


def check_choice(name: str, value: Any, choices: Collection[str]) -> str:
    """`value` if it is one of `choices`; ValueError names them all."""
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {expected}; got {value!r}")
    return value
