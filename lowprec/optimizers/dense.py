"""Stepping dense float32 parameters by the rules that step tables.

The rows of a matrix are those of its first axis; a vector, such as a bias, is one row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lowprec.device import Device
from lowprec.optimizers.arrays import init_states
from lowprec.optimizers.base import Optimizer

States = list[dict[str, Any]]  # of each parameter, by name


def shape_as_rows(shape: tuple[int, ...]) -> tuple[int, int]:
    """The rows and columns of a parameter of this shape."""
    rows, columns = shape if len(shape) == 2 else (1, *shape)
    return rows, columns


def as_rows(array: Any) -> Any:
    """A parameter as a matrix of rows, without a copy."""
    return array.reshape(shape_as_rows(array.shape))


def init_dense_states(device: Device, optimizer: Optimizer, parameters: Iterable[Any]) -> States:
    """New states of dense parameters."""
    found = []
    for parameter in parameters:
        weight = as_rows(parameter)
        states = init_states(device, optimizer, *weight.shape, dense=True)
        found.append(states | optimizer.states_for(weight, states))
    return found


def update_dense(
    device: Device, rules: Any, parameters: Iterable[Any], states: States,
    gradients: Iterable[Any], diverged: Any,
) -> None:  # fmt: skip
    """Step dense float32 parameters in place, and their states, unless training is `diverged` (1,).

    `rules` are those of the step (`Rules`), by value or as the kernels find them in memory.
    """
    with_numbers = [
        ((as_rows(parameter), *state.values()), as_rows(gradient))
        for parameter, state, gradient in zip(parameters, states, gradients, strict=True)
        if parameter.size
    ]
    device.kernels.update_dense(
        rules, [arrays for arrays, _ in with_numbers], [found for _, found in with_numbers],
        diverged,
    )  # fmt: skip
