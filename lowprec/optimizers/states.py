"""What an optimizer keeps beside the weights, and in which formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from lowprec.formats.entries import storage_dtype


class State(NamedTuple):
    """One array of numbers that an optimizer keeps beside the weights."""

    initial: float = 0.0
    by_row: bool = False  # (rows, 1), one number a row, instead of the shape of the weights
    square: bool = False  # a sum or an average of squares, which underflow in some formats
    counter: bool = False  # uint32

    def shape(self, rows: int, columns: int) -> tuple[int, int]:
        """The shape of the array beside weights of (rows, columns)."""
        return (rows, 1 if self.by_row else columns)


LAST = State(by_row=True, counter=True)  # updates after the one that has stepped a row last


def resolve_dtypes(states: Mapping[str, State], given: Any) -> dict[str, np.dtype]:
    """The storage dtype of each state, from one for all or a mapping by name.

    Raises
    ------
    TypeError, ValueError
        As `Optimizer.state_dtypes` says.
    """
    counts = {name: np.dtype(np.uint32) for name, state in states.items() if state.counter}
    states = {name: state for name, state in states.items() if not state.counter}
    if isinstance(given, Mapping):
        if others := [name for name in given if name not in states]:
            raise ValueError(f"state_dtype names {others[0]!r}; there are {list(states)}")
        given = {name: given.get(name, "float32") for name in states}
    else:
        storage_dtype(given)
        given = dict.fromkeys(states, given)
    found = {name: storage_dtype(dtype) for name, dtype in given.items()}
    for name, storage in found.items():
        if states[name].square and storage.name not in ("float32", "bfloat16"):
            raise ValueError(
                f"the state {name!r} holds squares, which underflow in {storage.name}: "
                "use float32 or bfloat16"
            )
    return found | counts
