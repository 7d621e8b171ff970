"""Stochastic gradient descent."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from lowprec.optimizers.base import LARGEST, Optimizer
from lowprec.scalar.bits import fma


class Descent(NamedTuple):
    """The rule: a weight less the gradient times a number."""

    learning_rate: np.float32

    @staticmethod
    def step(rule, gradient, weight):  # type: ignore[no-untyped-def]
        return (fma(-rule.learning_rate, gradient, weight),)


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: ``weight - learning_rate * gradient``, in float32.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.1
        A number, not negative, or a function from the step (int, from 0) to one: see
        `lowprec.schedules`.

    Raises
    ------
    TypeError, ValueError
        If the learning rate is not a finite number, or is negative.

    Notes
    -----
    Immutable, and without state: a table needs no memory beside its weights.  The step of a weight
    is ``fma(-learning_rate, gradient, weight)``, rounded once to float32 and once more where it is
    stored.

    Examples
    --------
    >>> import lowprec as lp
    >>> lp.SGD(learning_rate=0.1).learning_rate_at(step=5)
    0.1
    >>> lp.SGD(lp.schedules.InverseTime(1.0, decay=1.0)).learning_rate_at(step=3)
    0.25
    """

    linear: ClassVar[bool] = True

    def rule(self, step: int) -> Descent:
        return Descent(np.float32(self.learning_rate_at(step)))

    def largest_gradient(self, rule: Descent, columns: int) -> float:
        return largest_times(float(rule.learning_rate))


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
