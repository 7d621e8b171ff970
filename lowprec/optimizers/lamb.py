"""LAMB: Adam with steps as large as the row that they change."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass

import numpy as np

from lowprec.optimizers.adam import Adam, MomentDescent
from lowprec.optimizers.base import LARGEST
from lowprec.scalar.bits import product, select
from lowprec.scalar.finite import root, saturate
from lowprec.scalar.moments import average, corrected
from lowprec.schedules import Schedule

_ONE, _ZERO = np.float32(1.0), np.float32(0.0)


class LayerwiseMomentDescent(MomentDescent):
    """The rule: that of Adam, with the learning rate of the row."""

    @staticmethod
    def measure(rule, gradient, weight, mean, square):  # type: ignore[no-untyped-def]
        change, size = corrected(rule, *average(rule, gradient, mean, square))
        return weight, change / size

    @staticmethod
    def row(rule, weight_square, step_square):  # type: ignore[no-untyped-def]
        weight_size, step_size = root(saturate(weight_square)), root(saturate(step_square))
        either_zero = (weight_size == _ZERO) | (step_size == _ZERO)
        ratio = select(either_zero, _ONE, saturate(weight_size / step_size))
        return (
            MomentDescent(
                saturate(product(rule.learning_rate, ratio)), rule.mean_rate, rule.square_rate,
                rule.mean_weight, rule.square_weight, rule.eps,
            ),
        )  # fmt: skip


@dataclass(frozen=True, repr=False)
class LAMB(Adam):
    """LAMB: steps of Adam, scaled to the norm of the row.

    Parameters
    ----------
    learning_rate : float or schedule, default 1e-3
        A nonnegative number, or a function of the step (int, from 0) that returns one: see
        `lowprec.schedules`.
    beta1, beta2 : float, default 0.9 and 0.999
        Decay of both averages at each step, in [0, 1).
    eps : float, default 1e-6
        Added to the square root; positive.
    state_dtype, state_rounding, weight_decay, decay, clip_value, clip_norm
        As for `lowprec.optimizers.Optimizer`.

    Raises
    ------
    TypeError, ValueError
        As for `Adam`.

    Notes
    -----
    With the averages of `Adam`, in float32::

        step = (mean / (1 - beta1**t)) / (sqrt(square / (1 - beta2**t)) + eps)
        weight -= learning_rate * (|weight of the row| / |step of the row|) * step

    ``|...|`` is the Euclidean norm over the columns; the ratio is 1 where either norm is 0.  The
    states are those of `Adam`.  You et al., "Large Batch Optimization for Deep Learning: Training
    BERT in 76 minutes" (ICLR 2020), with the rows of a table, or of a dense matrix, as layers.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> table = lp.EmbeddingTable(4, 2, "float32", optimizer=lp.LAMB(0.25), init_range=0.0)
    >>> table.weight[3] = [3.0, 4.0]
    >>> table.update(np.array([3]), np.array([[3.0, -4.0]], np.float32))
    >>> table.weight[3].round(3)  # steps of 0.25 * 5 / sqrt(2)
    array([2.116, 4.884], dtype=float32)
    """

    learning_rate: float | Schedule = 1e-3
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-6

    def rule(self, step: int) -> LayerwiseMomentDescent:  # type: ignore[override]
        return LayerwiseMomentDescent(*super().rule(step))

    def largest_gradient(self, rule: LayerwiseMomentDescent, columns: int) -> float:  # type: ignore[override]
        # its square is then finite, and so is the mean
        return min(0.5 * math.sqrt(LARGEST), 0.25 * LARGEST * float(rule.mean_rate))
