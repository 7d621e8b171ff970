"""What files say of optimizers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from lowprec.checks import as_plain
from lowprec.formats.entries import storage_dtype
from lowprec.optimizers.base import Optimizer
from lowprec.optimizers.states import resolve_dtypes
from lowprec.schedules import describe as describe_rate
from lowprec.schedules import from_description as rate_from_description
from lowprec.subclasses import subclasses_by_name


def describe(optimizer: Optimizer) -> dict[str, Any]:
    """An optimizer as JSON has it; ValueError if its schedule cannot be written."""
    # a class of one's own may keep numbers of NumPy
    numbers = {f.name: as_plain(getattr(optimizer, f.name)) for f in fields(optimizer)}
    numbers["learning_rate"] = describe_rate(optimizer.learning_rate)
    if isinstance(optimizer.state_dtype, Mapping):
        dtypes = resolve_dtypes(optimizer.states(), optimizer.state_dtype)
        numbers["state_dtype"] = {name: storage.name for name, storage in dtypes.items()}
    else:
        numbers["state_dtype"] = storage_dtype(optimizer.state_dtype).name
    return {"optimizer": type(optimizer).__name__, **numbers}


def from_description(description: Any) -> Optimizer:
    """What `describe` described; KeyError, TypeError or ValueError if it is invalid."""
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
