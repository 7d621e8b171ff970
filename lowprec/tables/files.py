"""A table in a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.checks import check_int
from lowprec.files.checkpoint import Checkpoint
from lowprec.files.reading import warn_of_generator
from lowprec.optimizers import describe, from_description
from lowprec.tables.initial import bounds_of_features
from lowprec.tables.store import Store
from lowprec.typing import DeviceName

_WEIGHT, _STATE = "weight", "optimizer."  # names of arrays
_MAX_COUNT = 2**63  # of steps and skipped rows


def description_of(store: Store) -> dict[str, Any]:
    """All but the arrays, as JSON has it."""
    sizes = store._features.num_embeddings.tolist()
    return {
        "num_embeddings": sizes[0] if store._features.single else sizes,
        "embedding_dim": store.embedding_dim,
        "dtype": store.dtype.name,
        "rounding": store.rounding,
        "optimizer": describe(store.optimizer),
        "seed": store.seed,
        "on_nonfinite": store.on_nonfinite,
        "step": store._step,
        "skipped_rows": store.skipped_rows,
        "trainable": store._trainable,
        "padding_idx": store.padding_idx,
        "init_range": store._init_range,
    }


def arrays_of(store: Store) -> dict[str, NDArray[Any]]:
    """The arrays by their names in a file."""
    dtypes = store._state_dtypes
    state = {
        f"{_STATE}{name}": store._device.to_host(array).view(dtypes[name])
        for name, array in store._state.items()
    }
    return {_WEIGHT: store._device.to_host(store._weight).view(store.dtype), **state}


def take_over(store: Store, arrays: dict[str, NDArray[Any]], step: int, skipped_rows: int) -> None:
    """Be again what a table was, of which `arrays_of` gave these arrays."""
    for name, own in ((_WEIGHT, store._weight), *_states(store)):
        own[...] = store._device.asarray(arrays[name].view(own.dtype))
    store._step, store._skipped_rows, store._decay_logs = step, skipped_rows, None


def _states(store: Store) -> list[tuple[str, Any]]:
    return [(f"{_STATE}{name}", array) for name, array in store._state.items()]


def restore(table: Store, found: Checkpoint, description: Any, device: DeviceName) -> None:
    """Make an empty table that of a file; `description` is its own, or part of a model's."""
    with found.reading():
        table._configure(
            description["num_embeddings"],
            description["embedding_dim"],
            description["dtype"],
            description["rounding"],
            from_description(description["optimizer"]),
            description["seed"],
            device,
            description["on_nonfinite"],
            description.get("padding_idx"),  # which the first files do not have
        )
        table.trainable = description.get("trainable", True)
        table._init_range = description.get("init_range")
        bounds_of_features(table, table._init_range)  # raises if that is none
        for name in ("step", "skipped_rows"):
            count = check_int(name, description[name], low=0, high=_MAX_COUNT)
            setattr(table, f"_{name}", count)
    if table.rounding == "stochastic" and table.dtype != np.float32:
        warn_of_generator(found)
    weight = found.array(_WEIGHT, table._shape, table.dtype)
    table._weight = table._device.asarray(weight.view(table._device.held_as(table.dtype)))
    dtypes = table._state_dtypes
    table._state = {}
    for name, state in table.optimizer.kept_states().items():
        array = found.array(f"{_STATE}{name}", state.shape(*table._shape), dtypes[name])
        table._state[name] = table._device.asarray(array.view(table._device.held_as(dtypes[name])))
