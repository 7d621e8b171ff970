"""Optimizers from what files say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lowprec.optimizers.base import Optimizer
from lowprec.schedules import from_description as rate_from_description


def _subclasses(kind: Any) -> Iterator[Any]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def from_description(description: Any) -> Optimizer:
    """What `Optimizer.describe` described; KeyError, TypeError or ValueError if that cannot be."""
    numbers = dict(description)
    name = numbers.pop("optimizer")
    # the last of equal names: a class that was defined anew in a notebook
    kinds = {kind.__name__: kind for kind in _subclasses(Optimizer)}
    if name not in kinds:
        raise ValueError(
            f"has an unknown optimizer, {name!r}; if it is your own, import the module that "
            "defines it first"
        )
    numbers["learning_rate"] = rate_from_description(numbers["learning_rate"])
    optimizer: Optimizer = kinds[name](**numbers)
    return optimizer
