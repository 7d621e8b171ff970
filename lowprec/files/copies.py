"""How tables and models are copied and pickled: as they are at one moment.

The functions are methods of `lowprec.files.saved.Saved`.
"""

from __future__ import annotations

import copy
from typing import Any


def shallow(self: Any) -> Any:
    """`copy.copy`: another object with the same arrays."""
    twin = _empty(type(self))
    vars(twin).update(vars(self))
    return twin


def deep(self: Any, memo: dict[int, Any]) -> Any:
    """`copy.deepcopy`, while no other thread changes it."""
    with self._unchanged("this is copied"):
        twin = memo[id(self)] = _empty(type(self))
        vars(twin).update(copy.deepcopy(vars(self), memo))
    return twin


def state(self: Any) -> dict[str, Any]:
    """What pickles take: a copy, as arrays are read after this, when others may change them."""
    if self._is_of_a_pickle:
        return {name: value for name, value in vars(self).items() if name != "_is_of_a_pickle"}
    taken = vars(copy.deepcopy(self))
    for value in taken.values():
        if hasattr(value, "_is_of_a_pickle"):
            value._is_of_a_pickle = True  # it need not be copied again
    return taken


def _empty(kind: Any) -> Any:
    return kind.__new__(kind)
