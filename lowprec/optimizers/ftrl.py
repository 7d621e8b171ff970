"""FTRL-Proximal: weights that are zero unless the gradients insist."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np

from lowprec.optimizers.base import LARGEST, Optimizer
from lowprec.optimizers.states import State
from lowprec.scalar.bits import fma, select
from lowprec.scalar.finite import root, saturate
from lowprec.schedules import check_nonnegative, check_positive

_ZERO = np.float32(0.0)


class ProximalDescent(NamedTuple):
    """The rule: the minimum of all linearised losses and of what keeps weights near and few."""

    learning_rate: np.float32
    beta: np.float32
    l1: np.float32
    l2: np.float32

    @staticmethod
    def step(rule, gradient, weight, z, n):  # type: ignore[no-untyped-def]
        more = saturate(fma(gradient, gradient, n))
        size = root(more)
        sigma = saturate((size - root(n)) / rule.learning_rate)
        z = saturate(z + saturate(fma(-sigma, weight, gradient)))
        beyond = select(z > _ZERO, z - rule.l1, z + rule.l1)
        weight = -beyond / ((rule.beta + size) / rule.learning_rate + rule.l2)
        return select(abs(z) <= rule.l1, weight - weight, weight), z, more


@dataclass(frozen=True, repr=False)
class FTRL(Optimizer):
    """FTRL-Proximal: rates like Adagrad's, and exact zeros where gradients are small.

    Parameters
    ----------
    learning_rate : float, default 0.1
        Positive.  Not a schedule, because the rule uses the rates of earlier steps.
    beta : float, default 1.0
        Added to the square root of the sum of squares; not negative.
    l1 : float, default 0.0
        A weight is 0 if the absolute value of its accumulated gradient ``z`` is at most this; not
        negative.
    l2 : float, default 0.0
        Strength of the penalty on squared weights; not negative.
    state_dtype, state_rounding, weight_decay, decay, clip_value, clip_norm
        As for `lowprec.optimizers.Optimizer`, except that `weight_decay` must be 0: use `l2`.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not a finite number, or out of its range; if the learning rate is a
        schedule, or `weight_decay` is set.

    Notes
    -----
    With the summed gradient ``g`` of a weight's row, in float32::

        sigma = (sqrt(n + g * g) - sqrt(n)) / learning_rate
        z += g - sigma * weight
        n += g * g
        weight = 0 if |z| <= l1 else
                 -(z - sign(z) * l1) / ((beta + sqrt(n)) / learning_rate + l2)

    The states ``"z"`` and ``"n"`` are float32 and have the shape of the weights.  Each weight is
    computed from ``z``, so its rounding errors do not add up.  Tables start from zeros, unless
    `init_range` or `init` is given.  Then, for dense parameters, and after `EmbeddingTable.write`,
    ``z`` is set so that it gives the weight.  `EmbeddingTable.zeros` counts the zeros.  McMahan et
    al., "Ad Click Prediction: a View from the Trenches" (KDD 2013).

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> table = lp.EmbeddingTable(4, 2, optimizer=lp.FTRL(0.5, l1=1.0))
    >>> table.update(np.array([3]), np.array([[3.0, -0.5]], np.float32))
    >>> table.weight[3]  # -(3 - 1) / ((1 + 3) / 0.5), and 0 as 0.5 is less than l1
    array([-0.25,  0.  ], dtype=float16)
    >>> table.zeros
    7
    """

    penalty = "its own l2"

    _: KW_ONLY
    beta: float = 1.0
    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if callable(self.learning_rate):
            raise ValueError(
                "FTRL takes no schedule, because its rule uses the rates of earlier steps: "
                "learning_rate must be a number"
            )
        check_positive("learning_rate", self.learning_rate)
        for name in ("beta", "l1", "l2"):
            check_nonnegative(name, getattr(self, name))
        if self.weight_decay:
            raise ValueError(
                "FTRL has no weight_decay, because it computes weights anew at each step: use l2"
            )

    @property
    def starts_at_zero(self) -> bool:
        return True

    def states(self) -> dict[str, State]:
        return {"z": State(), "n": State(square=True)}

    def states_for(self, weight: Any, states: Mapping[str, Any]) -> dict[str, Any]:
        wide, n = weight.astype(np.float64), states["n"].astype(np.float64)
        held_by = (self.beta + n**0.5) / self.learning_rate + self.l2
        away_from_zero = (wide > 0) * self.l1 - (wide < 0) * self.l1
        z = -(wide * held_by + away_from_zero)
        return {"z": z.clip(-LARGEST, LARGEST).astype(np.float32)}

    def rule(self, step: int) -> ProximalDescent:
        numbers = (self.learning_rate, self.beta, self.l1, self.l2)
        return ProximalDescent(*map(np.float32, numbers))  # type: ignore[arg-type]

    def largest_gradient(self, rule: ProximalDescent, columns: int) -> float:
        return 0.5 * math.sqrt(LARGEST)  # its square is then finite
