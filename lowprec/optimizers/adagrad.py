"""Adagrad: each weight has its own learning rate."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np

from lowprec.optimizers.base import LARGEST, Optimizer
from lowprec.optimizers.checks import check_rate_over_eps
from lowprec.optimizers.states import State
from lowprec.scalar.bits import fma
from lowprec.scalar.finite import root, saturate
from lowprec.schedules import check_nonnegative, check_positive


class AdaptiveDescent(NamedTuple):
    """The rule: gradients over the root of the sum of their squares."""

    learning_rate: np.float32
    eps: np.float32

    @staticmethod
    def step(rule, gradient, weight, total):  # type: ignore[no-untyped-def]
        total = saturate(fma(gradient, gradient, total))
        return weight - rule.learning_rate * gradient / (root(total) + rule.eps), total


@dataclass(frozen=True, repr=False)
class Adagrad(Optimizer):
    """Adagrad: the more gradients a weight has had, the smaller its steps.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.1
        A nonnegative number, or a function of the step (int, from 0) that returns one: see
        `lowprec.schedules`.
    eps : float, default 1e-8
        Added to the square root; positive.
    initial_accumulator : float, default 0.0
        Initial value of the sums; not negative.
    state_dtype, state_rounding, weight_decay, decay, clip_value, clip_norm
        As for `lowprec.optimizers.Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not a finite number, or out of its range; or, in a step, if
        ``learning_rate / eps`` overflows float32.

    Notes
    -----
    With the summed gradient ``g`` of a weight's row, in float32::

        sum += g * g
        weight -= learning_rate * g / (sqrt(sum) + eps)

    The state ``"sum"`` is float32 and has the shape of the weights.  It saturates at the largest
    finite number.  Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization" (JMLR 12, 2011).

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> table = lp.EmbeddingTable(4, 2, "float32", optimizer=lp.Adagrad(0.5))
    >>> table.weight[:] = 1.0
    >>> table.update(np.array([3]), np.array([[3.0, -4.0]], np.float32))
    >>> table.optimizer_state["sum"][3]
    array([ 9., 16.], dtype=float32)
    >>> table.weight[3]  # the first step is the learning rate, whatever the gradient
    array([0.5, 1.5], dtype=float32)
    """

    _: KW_ONLY
    eps: float = 1e-8
    initial_accumulator: float = 0.0

    def __post_init__(self) -> None:
        check_nonnegative("initial_accumulator", self.initial_accumulator)  # `states` takes it
        super().__post_init__()
        check_positive("eps", self.eps)

    def states(self) -> dict[str, State]:
        return {"sum": State(float(self.initial_accumulator), square=True)}

    def rule(self, step: int) -> AdaptiveDescent:
        rate = check_rate_over_eps(self.learning_rate_at(step), self.eps)
        return AdaptiveDescent(np.float32(rate), np.float32(self.eps))

    def largest_gradient(self, rule: AdaptiveDescent, columns: int) -> float:
        # its square is then finite, and so is the gradient times the rate
        rate = max(1.0, float(rule.learning_rate))
        return min(0.5 * math.sqrt(LARGEST), 0.5 * LARGEST / rate)
