"""What a table is in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.checks import check_int
from lowprec.files.checkpoint import Checkpoint
from lowprec.files.pieces import Pieces
from lowprec.files.reading import warn_of_generator
from lowprec.optimizers import Optimizer, describe, from_description
from lowprec.optimizers.checks import check_same_states
from lowprec.tables.initial import bounds_of_features
from lowprec.tables.shard import Shard
from lowprec.tables.store import Store
from lowprec.typing import DeviceName

WEIGHT, STATE, ROWS = "weight", "optimizer.", "rows"  # names of arrays
_MAX_COUNT = 2**63  # of steps and skipped rows


class SavedRows(NamedTuple):
    """The rows of a table that a file holds, checked; other rows begin as those of a new table."""

    rows: NDArray[np.uint32] | None  # ascending; None for all
    arrays: Mapping[str, NDArray[Any]]  # these rows, as `layout_of` has them
    origin: Optimizer  # with which other rows begin


def description_of(store: Store) -> dict[str, Any]:
    """All but the arrays, as JSON has it."""
    sizes = store._features.num_embeddings.tolist()
    in_file = {} if store._file is None else store._file.description()
    shard = {"shard": [store.shard.rank, store.shard.of]} if store.shard else {}
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
        **in_file,
        **shard,
    }


def arrays_of(store: Store) -> dict[str, Any]:
    """The arrays by their names in a file; of a table in a file, the rows that were touched."""
    if store._file is not None:
        return _touched_arrays(store)
    dtypes = store._state_dtypes
    state = {
        f"{STATE}{name}": store._device.to_host(array).view(dtypes[name])
        for name, array in store._state.items()
    }
    return {WEIGHT: store._device.to_host(store._weight).view(store.dtype), **state}


def _touched_arrays(store: Store) -> dict[str, Pieces]:
    touched, count = store._file.touched, store._file.touched.count()

    def pieces(array: Any, dtype: np.dtype) -> Pieces:
        parts = lambda: (array[rows].view(dtype) for rows in touched.pieces())
        return Pieces((count, array.shape[1]), dtype, parts)

    dtypes = store._state_dtypes
    states = {f"{STATE}{name}": pieces(a, dtypes[name]) for name, a in store._state.items()}
    rows = Pieces((count,), np.dtype(np.uint32), touched.pieces)
    return {ROWS: rows, WEIGHT: pieces(store._weight, store.dtype), **states}


def names_in(table: Store, description: Any) -> list[str]:
    """The names of the arrays in a table's file; those of the table need not be there."""
    return [*layout_of(table, 0), *([ROWS] if "touched" in description else [])]


def take_over(store: Store, arrays: dict[str, NDArray[Any]], step: int, skipped_rows: int) -> None:
    """Set a table back to what it was when `arrays_of` gave these arrays."""
    for name, own in arrays_by_name(store).items():
        own[...] = store._device.asarray(arrays[name].view(own.dtype))
    store._step, store._skipped_rows, store._decay_logs = step, skipped_rows, None


def arrays_by_name(store: Store) -> dict[str, Any]:
    """The arrays on the device, as it holds them, by their names in a file."""
    states = {f"{STATE}{name}": array for name, array in store._state.items()}
    return {WEIGHT: store._weight, **states}


def layout_of(store: Store, rows: int) -> dict[str, tuple[tuple[int, int], np.dtype]]:
    """The shapes and dtypes that the arrays of this number of rows have in a file."""
    states = {
        f"{STATE}{name}": (state.shape(rows, store.embedding_dim), store._state_dtypes[name])
        for name, state in store.optimizer.kept_states().items()
    }
    return {WEIGHT: ((rows, store.embedding_dim), store.dtype), **states}


def saved_rows(table: Store, found: Checkpoint, description: Any) -> SavedRows:
    """The rows of a table that is configured; CheckpointError if they are not as described."""
    num_rows = table._shape[0]
    if "touched" not in description:
        every = {
            name: found.array(name, *each) for name, each in layout_of(table, num_rows).items()
        }
        return SavedRows(None, every, table.optimizer)
    with found.reading():
        count = check_int("touched", description["touched"], low=0, high=num_rows + 1)
        origin = from_description(description["first_optimizer"])
        check_same_states(table.optimizer, origin)
        rows = found.array(ROWS, (count,), np.dtype(np.uint32))
        if count and (int(rows[-1]) >= num_rows or (rows[1:] <= rows[:-1]).any()):
            raise ValueError("has rows that do not ascend, or that there are not")
    arrays = {name: found.array(name, *each) for name, each in layout_of(table, count).items()}
    return SavedRows(rows, arrays, origin)


def configure(table: Store, found: Checkpoint, description: Any, device: DeviceName) -> None:
    """Make an empty table what a file describes, but for its arrays."""
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
            Shard(*description["shard"]) if "shard" in description else None,
        )
        table.trainable = description.get("trainable", True)
        table._init_range = description.get("init_range")
        bounds_of_features(table, table._init_range)  # raises if that is none
        for name in ("step", "skipped_rows"):
            count = check_int(name, description[name], low=0, high=_MAX_COUNT)
            setattr(table, f"_{name}", count)
    if table.rounding == "stochastic" and table.dtype != np.float32:
        warn_of_generator(found)
