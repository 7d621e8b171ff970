"""The classes that a program has defined of a kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def subclasses_by_name(kind: Any) -> dict[str, Any]:
    """All subclasses; of equal names the last one, as of a class defined anew in a notebook."""
    return {each.__name__: each for each in _subclasses(kind)}


def _subclasses(kind: Any) -> Iterator[Any]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
