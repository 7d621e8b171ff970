"""Adam: averages of gradients over averages of their squares."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np

from lowprec.optimizers.base import LARGEST, Optimizer
from lowprec.optimizers.checks import check_rate_over_eps, check_share
from lowprec.optimizers.states import State
from lowprec.scalar.moments import average, corrected
from lowprec.schedules import Schedule, check_positive


class MomentDescent(NamedTuple):
    """The rule, with what corrects the bias of both averages at a step."""

    learning_rate: np.float32
    mean_rate: np.float32  # 1 - beta1
    square_rate: np.float32
    mean_weight: np.float32  # 1 - beta1**t: the share of an average that is of gradients
    square_weight: np.float32
    eps: np.float32

    @staticmethod
    def step(rule, gradient, weight, mean, square):  # type: ignore[no-untyped-def]
        mean, square = average(rule, gradient, mean, square)
        change, size = corrected(rule, mean, square)
        return weight - rule.learning_rate * change / size, mean, square


@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """Adam: the average gradient of a weight over the root of its average square.

    Parameters
    ----------
    learning_rate : float or schedule, default 1e-3
        A nonnegative number, or a function of the step (int, from 0) that returns one: see
        `lowprec.schedules`.
    beta1, beta2 : float, default 0.9 and 0.999
        Decay of both averages at each step, in [0, 1).
    eps : float, default 1e-8
        Added to the square root; positive.
    state_dtype, state_rounding, weight_decay, decay, clip_value, clip_norm
        As for `lowprec.optimizers.Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not a finite number, or out of its range; or, in a step, if
        ``learning_rate / eps`` overflows float32.

    Notes
    -----
    With the summed gradient ``g`` of a weight's row, and t = 1 at the first update of the table, in
    float32::

        mean += (1 - beta1) * (g - mean)
        square += (1 - beta2) * (g * g - square)
        weight -= learning_rate * (mean / (1 - beta1**t)) / (sqrt(square / (1 - beta2**t)) + eps)

    Rows that are not in a batch keep their weights and averages, as in ``torch.optim.SparseAdam``.
    The states ``"mean"`` and ``"square"`` are float32 and have the shape of the weights.  Kingma
    and Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015).

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> table = lp.EmbeddingTable(4, 2, "float32", optimizer=lp.Adam(0.25))
    >>> table.weight[:] = 1.0
    >>> table.update(np.array([3]), np.array([[3.0, -4.0]], np.float32))
    >>> table.weight[3]  # the first step is the learning rate, whatever the gradient
    array([0.75, 1.25], dtype=float32)
    """

    learning_rate: float | Schedule = 1e-3
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("beta1", self.beta1)
        check_share("beta2", self.beta2)
        check_positive("eps", self.eps)

    def states(self) -> dict[str, State]:
        return {"mean": State(), "square": State(square=True)}

    def rule(self, step: int) -> MomentDescent:
        rate, t = check_rate_over_eps(self.learning_rate_at(step), self.eps), step + 1
        numbers = (
            rate, 1 - self.beta1, 1 - self.beta2, 1 - self.beta1**t, 1 - self.beta2**t, self.eps,
        )  # fmt: skip
        return MomentDescent(*map(np.float32, numbers))

    def largest_gradient(self, rule: MomentDescent, columns: int) -> float:
        # its square is then finite, and so is the mean, corrected and times the rate
        rate = max(1.0, float(rule.learning_rate))
        most = 0.25 * LARGEST * float(rule.mean_rate) / rate
        return min(0.5 * math.sqrt(LARGEST), most)
