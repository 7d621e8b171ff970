"""Copies and pickles of models, which those with a table in a file do not have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lowprec.models.ranks import shard_of


def in_memory(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that copies, for models whose table is in memory alone: ValueError otherwise."""

    @functools.wraps(method)
    def checked(model: Any, *arguments: Any) -> Any:
        path = shard_of(model.table_).path if hasattr(model, "table_") else None
        if path is not None:
            raise ValueError(
                f"this {type(model).__name__} is not copied or pickled, as its table is in {path}, "
                "which two models cannot share: save and lowprec.load make a copy"
            )
        return method(model, *arguments)

    return checked
