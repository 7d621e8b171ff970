"""Optimizers from what files say of them."""

from __future__ import annotations

from typing import Any

from lowprec.optimizers.base import Optimizer
from lowprec.schedules import from_description as rate_from_description
from lowprec.subclasses import subclasses_by_name


def from_description(description: Any) -> Optimizer:
    """What `Optimizer.describe` described; KeyError, TypeError or ValueError if that cannot be."""
    numbers = dict(description)
    name = numbers.pop("optimizer")
    kinds = subclasses_by_name(Optimizer)
    if name not in kinds:
        raise ValueError(
            f"has an unknown optimizer, {name!r}; if it is your own, import the module that "
            "defines it first"
        )
    numbers["learning_rate"] = rate_from_description(numbers["learning_rate"])
    optimizer: Optimizer = kinds[name](**numbers)
    return optimizer
