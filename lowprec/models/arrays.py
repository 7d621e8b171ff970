"""The arrays that training changes, by their names in a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.device import get_device
from lowprec.models.model import Model
from lowprec.models.parameters import optimizer_of_dense
from lowprec.models.ranks import shard_of
from lowprec.optimizers.dense import shape_as_rows
from lowprec.tables import verbs


def trained_arrays(model: Model) -> dict[str, Any]:
    """All arrays that training changes, in the memory of the host: views on the CPU, else copies.

    Of a table in a file, the rows that were touched, as `lowprec.files.pieces.Pieces`.
    """
    to_host = get_device(model.device).to_host
    dense = dense_arrays(model)
    return {
        **verbs.arrays_of(shard_of(model.table_)),
        **{name: to_host(array) for name, array in dense.items()},
    }


def trained_layout(model: Model) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shapes and dtypes of the arrays that a model in memory has."""
    dense = dense_shapes(model, model.num_dense_)
    return {
        **verbs.layout_of(model.table_, verbs.features_of(model.table_).num_rows),
        **{name: (shape, np.dtype(np.float32)) for name, shape in dense.items()},
    }


def dense_arrays(model: Model) -> dict[str, NDArray[np.float32]]:
    """The dense parameters and the states of their optimizer, on the model's device."""
    return model._named_parameters() | {
        _state_name(parameter, name): array
        for parameter, states in zip(model._named_parameters(), model._dense_states, strict=True)
        for name, array in states.items()
    }


def dense_shapes(model: Model, num_dense: int) -> dict[str, tuple[int, ...]]:
    """The shapes of `dense_arrays`, which need not be there yet."""
    states = optimizer_of_dense(model).states()
    shapes = model._parameter_shapes(num_dense)
    return shapes | {
        _state_name(parameter, name): state.shape(*shape_as_rows(shape))
        for parameter, shape in shapes.items()
        for name, state in states.items()
    }


def _state_name(parameter: str, name: str) -> str:
    return f"dense_optimizer.{parameter}.{name}"
