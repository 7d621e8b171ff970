"""Stepping dense float32 parameters by the rules that step tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lowprec.device import Device
from lowprec.kernels.as_rows import as_rows, shape_as_rows
from lowprec.optimizers.arrays import init_states
from lowprec.optimizers.base import Optimizer
from lowprec.workspace import Allocator

__all__ = ["States", "init_dense_states", "shape_as_rows", "update_dense"]

States = list[dict[str, Any]]  # of each parameter, by name


def init_dense_states(device: Device, optimizer: Optimizer, parameters: Iterable[Any]) -> States:
    """New states of dense parameters."""
    found = []
    for parameter in parameters:
        weight = as_rows(parameter)
        states = init_states(device, optimizer, *weight.shape, dense=True)
        found.append(states | optimizer.states_for(weight, states))
    return found


def update_dense(
    device: Device, rules: Any, parameters: list[Any], states: States, gradients: list[Any],
    diverged: Any, scratch: Allocator,
) -> None:  # fmt: skip
    """Step dense float32 parameters in place, and their states, unless training is `diverged` (1,).

    `rules` are those of the step (`Rules`), by value or as the kernels find them in memory.
    """
    arrays = [each.values() for each in states]
    device.kernels.update_dense(rules, parameters, arrays, gradients, diverged, scratch)
