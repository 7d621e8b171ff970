"""Columns of lists as bags of ids, and samples of columns and bags together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.encoders.frames import import_pyarrow


class Lists(NamedTuple):
    """Lists, end to end."""

    entries: Any  # an Arrow array
    lengths: NDArray[np.int64]  # (n,): 0 of a missing list


def lists_of(array: Any) -> Lists:
    """The lists of an array of any list type."""
    pyarrow = import_pyarrow()
    lengths = pyarrow.compute.list_value_length(array)
    if lengths.null_count:
        lengths = lengths.fill_null(0)
    entries = array.flatten()
    return Lists(entries, lengths.to_numpy(zero_copy_only=False).astype(np.int64))


def places_of(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The position of each entry of all lists, if list i begins at position starts[i]."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
