"""A `fit` that continues from the fitted model: ``warm_start=True``."""

from __future__ import annotations

import os
from typing import Any

from lowprec.formats.entries import storage_dtype
from lowprec.models import history
from lowprec.models.arrays import trained_arrays
from lowprec.models.identity import Training
from lowprec.models.model import Model, is_fitted
from lowprec.models.parameters import described
from lowprec.models.ranks import shard_of
from lowprec.models.training import take_optimizers
from lowprec.tables import verbs


def is_warm(model: Model) -> bool:
    """Whether `fit` continues from the current model."""
    return bool(model.warm_start) and is_fitted(model)


def check_made_alike(model: Model) -> None:
    """ValueError names a parameter that another model would be made with."""
    check_file(model)
    table = shard_of(model.table_)
    made: dict[str, Any] = {
        **model._architecture_now,
        "dtype": table.dtype.name,
        "rounding": table.rounding,
        "seed": table.seed,
        "device": table.device,
        "standardize": model._standardized,
    }
    for name, value in made.items():
        now = getattr(model, name)
        now = storage_dtype(now).name if name == "dtype" else described(model, name)
        if now != value:
            raise ValueError(
                f"the model was made with {name}={value!r}, now it is {now!r}: warm_start=True "
                "cannot continue with it; restore it, or set warm_start=False to start from scratch"
            )


def check_file(model: Model) -> None:
    """ValueError if a fitted model cannot go on with its table, because of `path`, or a `close`."""
    now = None if model.path is None else os.path.abspath(model.path)
    table = shard_of(model.table_)
    if now != table.path:
        raise ValueError(
            f"the model's table is in {table.path or 'memory'}, and path is now "
            f"{model.path!r}: training continues where the table is; restore path, or save the "
            "model, and load it with path"
        )
    verbs.check_open(table)


def identity_after(model: Model, training: Training | None) -> Training | None:
    """The identity of a `training` that begins with this model instead of a new one."""
    if training is None:
        return None
    before = [model.table_.step, history.epochs_begun(model), model._progress_of_training()]
    return training.after(repr(before), trained_arrays(model))


def go_on(model: Model, training: Training | None, *, validated: bool) -> None:
    """Begin another `fit` of a fitted model; ValueError if its optimizers cannot continue."""
    take_optimizers(model)
    history.begin(model, history.epochs_begun(model), validated=validated)
    model._training = training
