"""Row-wise Adagrad: each row has its own learning rate."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np

from lowprec.optimizers.base import LARGEST, Optimizer
from lowprec.optimizers.checks import check_rate_over_eps
from lowprec.optimizers.sgd import Descent
from lowprec.optimizers.states import State
from lowprec.scalar.finite import root, saturate
from lowprec.schedules import check_nonnegative, check_positive


class RowWiseDescent(NamedTuple):
    """The rule: `Descent` with the learning rate of the row."""

    learning_rate: np.float32
    eps: np.float32

    @staticmethod
    def row(rule, mean_square, total):  # type: ignore[no-untyped-def]
        total = saturate(total + mean_square)
        return Descent(rule.learning_rate / (root(total) + rule.eps)), total


@dataclass(frozen=True, repr=False)
class RowWiseAdagrad(Optimizer):
    """Adagrad with one number a row, the usual optimizer for tables of recommenders.

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
    With the summed gradient ``g`` of a row, in float32::

        sum += mean of g * g over the columns
        weight -= learning_rate / (sqrt(sum) + eps) * g

    The state ``"sum"`` is float32 (rows, 1): 4 bytes a row.  The squares are added up in 16 sums,
    of every 16th column each, which are then added in pairs, so all devices give the same bits.
    For dense parameters, the rows of a matrix are those of its first axis, and a vector is one row.

    Adagrad is from Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization" (JMLR 12, 2011).  The row-wise form is that of Mudigere et al.,
    "Software-Hardware Co-design for Fast and Scalable Training of Deep Learning Recommendation
    Models" (ISCA 2022).

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> table = lp.EmbeddingTable(4, 2, "float32", optimizer=lp.RowWiseAdagrad(0.5))
    >>> table.weight[:] = 1.0
    >>> table.update(np.array([3]), np.array([[3.0, 4.0]], np.float32))
    >>> table.optimizer_state["sum"].ravel()  # (3 * 3 + 4 * 4) / 2
    array([ 0. ,  0. ,  0. , 12.5], dtype=float32)
    >>> table.weight[3].round(4)  # 1 - 0.5 / sqrt(12.5) * (3, 4)
    array([0.5757, 0.4343], dtype=float32)
    """

    _: KW_ONLY
    eps: float = 1e-8
    initial_accumulator: float = 0.0

    def __post_init__(self) -> None:
        check_nonnegative("initial_accumulator", self.initial_accumulator)  # `states` takes it
        super().__post_init__()
        check_positive("eps", self.eps)

    def states(self) -> dict[str, State]:
        return {"sum": State(float(self.initial_accumulator), by_row=True, square=True)}

    def rule(self, step: int) -> RowWiseDescent:
        rate = check_rate_over_eps(self.learning_rate_at(step), self.eps)
        return RowWiseDescent(np.float32(rate), np.float32(self.eps))

    def largest_gradient(self, rule: RowWiseDescent, columns: int) -> float:
        # the sum of squares is then finite, and the step at most learning_rate * sqrt(columns)
        return 0.5 * math.sqrt(LARGEST / columns)
