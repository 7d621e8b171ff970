"""The groups of samples: users, queries, days."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.checks import as_array
from lowprec.metrics.checks import raise_at_first

_KINDS = "biufUSMm"  # NumPy's kinds of numbers, strings and dates


def check_groups(groups: ArrayLike, count: int) -> tuple[NDArray[np.intp], int]:
    """The number of each sample's group, ascending as groups are, and how many groups there are."""
    array = as_array("groups", groups)
    if array.shape != (count,):
        raise ValueError(f"groups must have shape ({count},), as y has, got {array.shape}")
    if array.dtype == object:
        _check_objects(array)
    elif array.dtype.kind in _KINDS:
        raise_at_first("groups", array, array != array, "is missing")
    else:
        raise ValueError(f"groups must hold numbers or strings, got dtype {array.dtype}")
    names, group = np.unique(array, return_inverse=True)
    return group, names.size


def _check_objects(array: NDArray[np.object_]) -> None:
    kind = str if isinstance(array[0], str) else int
    for position, each in enumerate(array):
        if not isinstance(each, kind):
            expected = "strings alone or integers alone"
            raise TypeError(f"groups must hold {expected}, got groups[{position}] = {each!r}")
