"""What kernels are given of an optimizer at a step: its rule, and what is done before it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lowprec.kernels.names import tell_apart
from lowprec.kernels.preparing import CatchUp, Nothing, Preparation
from lowprec.optimizers.base import LARGEST, Optimizer

Rules = tuple[Any, Any]  # a rule and its preparation
_ROUNDED = 1 + 2.0**-20  # a clipped norm may be larger by so much


def rules_of(optimizer: Optimizer, step: int, logs: Any = None) -> Rules:
    """The rule and the preparation of a step; with `logs` (`DecayLogs`), of one that catches up.

    TypeError or ValueError of a schedule is raised, and of a rate that takes all of a weight.
    """
    rule = optimizer.rule(step)
    tell_apart(type(rule))  # Numba tells its class from others of its name and fields
    if not optimizer.weight_decay and not optimizer.clips:
        return rule, Nothing()
    numbers = (_or_inf(optimizer.clip_value), _or_inf(optimizer.clip_norm))
    decay = np.float32(decay_at(optimizer, step))
    if logs is None:
        return rule, Preparation(*numbers, decay)
    return rule, CatchUp(*numbers, decay, logs)


def _or_inf(limit: float | None) -> np.float32:
    return np.float32(np.inf if limit is None else limit)


def decay_at(optimizer: Optimizer, step: int) -> float:
    """The share of a weight that is taken away at a step; ValueError if that is all of it."""
    if not optimizer.weight_decay:
        return 0.0
    rate = optimizer.learning_rate_at(step)
    if np.float32(rate * optimizer.weight_decay) >= 1:
        raise ValueError(
            f"learning_rate * weight_decay must be less than 1, got {rate} * "
            f"{optimizer.weight_decay} at step {step}"
        )
    return rate * optimizer.weight_decay


def largest_gradient(optimizer: Optimizer, rule: Any, columns: int) -> np.float32:
    """The most that a number of a row's gradient may be, before it is clipped."""
    most = optimizer.largest_gradient(rule, columns)
    if optimizer.clip_value is not None and optimizer.clip_value <= most:
        return np.float32(LARGEST)
    if optimizer.clip_norm is None:
        return np.float32(most)
    # the square of the norm must be finite; what is clipped by it is then within it
    with_norm = 0.5 * math.sqrt(LARGEST / columns)
    clipped = optimizer.clip_norm * _ROUNDED <= most
    return np.float32(with_norm if clipped else min(most, with_norm))
