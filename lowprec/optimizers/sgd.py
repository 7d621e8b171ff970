"""Stochastic gradient descent."""

from __future__ import annotations

import functools
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np

from lowprec.optimizers.base import LARGEST, Optimizer
from lowprec.optimizers.checks import check_share
from lowprec.optimizers.states import State
from lowprec.scalar.bits import fma
from lowprec.scalar.finite import saturate


class Descent(NamedTuple):
    """The rule: a weight less the gradient times a number."""

    learning_rate: np.float32

    @staticmethod
    def step(rule, gradient, weight):  # type: ignore[no-untyped-def]
        return (fma(-rule.learning_rate, gradient, weight),)


class MomentumDescent(NamedTuple):
    """The rule with momentum: a weight less a sum of gradients times a number."""

    learning_rate: np.float32
    momentum: np.float32

    @staticmethod
    def step(rule, gradient, weight, velocity):  # type: ignore[no-untyped-def]
        velocity = saturate(fma(rule.momentum, velocity, gradient))
        return fma(-rule.learning_rate, velocity, weight), velocity


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent: ``weight - learning_rate * gradient``, in float32.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.1
        A nonnegative number, or a function of the step (int, from 0) that returns one: see
        `lowprec.schedules`.
    momentum : float, default 0.0
        Decay of the running sum of gradients at each step, in [0, 1).
    state_dtype, state_rounding, weight_decay, decay, clip_value, clip_norm
        As for `lowprec.optimizers.Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If the learning rate is not a finite number, or is negative, or `momentum` is not in [0, 1).

    Notes
    -----
    The object is immutable.  Without momentum there is no state, so a table needs no memory besides
    its weights.  The new weight is ``fma(-learning_rate, gradient, weight)``, rounded once to
    float32, and once more when it is stored.  With momentum (Polyak 1964), the state
    ``"momentum"``, float32 with the shape of the weights, takes the place of the gradient::

        momentum_state = momentum * momentum_state + gradient

    Rows that are not in a batch keep their weights and their momentum.

    Examples
    --------
    >>> import lowprec as lp
    >>> lp.SGD(learning_rate=0.1).learning_rate_at(step=5)
    0.1
    >>> lp.SGD(lp.schedules.InverseTime(1.0, decay=1.0)).learning_rate_at(step=3)
    0.25
    """

    _: KW_ONLY
    momentum: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("momentum", self.momentum)

    @property
    def linear(self) -> bool:
        return self.momentum == 0 and not self.clips

    def states(self) -> dict[str, State]:
        return {"momentum": State()} if self.momentum else {}

    def rule(self, step: int) -> Descent | MomentumDescent:
        rate = np.float32(self.learning_rate_at(step))
        return MomentumDescent(rate, np.float32(self.momentum)) if self.momentum else Descent(rate)

    def largest_gradient(self, rule: Descent | MomentumDescent, columns: int) -> float:
        most = largest_times(float(rule.learning_rate))
        # the sum of such gradients is then finite, however many there are
        return most if self.momentum == 0 else 0.5 * (1 - float(np.float32(self.momentum))) * most


@functools.lru_cache(maxsize=64)
def largest_times(factor: float) -> float:
    """The largest float32 whose product with the float32 `factor`, not negative, is finite."""
    if factor <= 1.0:
        return LARGEST
    number, by, inf = np.float32(LARGEST / factor), np.float32(factor), np.float32(np.inf)
    with np.errstate(over="ignore"):
        while np.isfinite(np.nextafter(number, inf) * by):
            number = np.nextafter(number, inf)
        while not np.isfinite(number * by):
            number = np.nextafter(number, -inf)
    return float(number)
