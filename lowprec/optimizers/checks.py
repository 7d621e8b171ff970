"""What is wrong with an optimizer or a number of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lowprec.optimizers.base import LARGEST, Optimizer
from lowprec.schedules import check_nonnegative


def check_rate_over_eps(rate: float, eps: float) -> float:
    """`rate`, by which a rule steps that divides by `eps` or more; ValueError if that overflows."""
    if not rate / eps <= 0.5 * LARGEST:
        raise ValueError(f"learning_rate / eps overflows float32: {rate} / {eps}")
    return rate


def check_share(name: str, share: Any) -> None:
    """TypeError or ValueError unless it is a number in [0, 1), in float32 too."""
    check_nonnegative(name, share)
    if np.float32(share) >= 1:
        raise ValueError(f"{name} must be less than 1 in float32, got {share}")


def check_optimizer(name: str, value: Any) -> Optimizer:
    """`value` if it is an optimizer; TypeError otherwise."""
    if not isinstance(value, Optimizer):
        raise TypeError(f"{name} must be an optimizer, such as lowprec.SGD, got {value!r}")
    return value


def check_same_states(old: Optimizer, new: Optimizer) -> None:
    """ValueError unless two optimizers keep the same states, by name, shape and format."""
    kept, wanted = map(_kinds_of_states, (old, new))
    if kept != wanted:
        raise ValueError(
            f"{new!r} has the states {wanted}, but {old!r}, used so far, has {kept}: "
            "an optimizer with other states needs a new fit or table"
        )


def _kinds_of_states(optimizer: Optimizer) -> list[str]:
    """The names of the states, with what is not as usual."""
    dtypes = optimizer.state_dtypes()
    return [
        name + " by row" * state.by_row + f" in {dtypes[name]}" * (dtypes[name] != np.float32)
        for name, state in optimizer.kept_states().items()
    ]
