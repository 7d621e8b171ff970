"""Optimizers: small immutable data that say which update kernel runs, and with what numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.device import Device
from lowprec.schedules import Schedule, check_rate, describe, from_description


@dataclass(frozen=True)
class SGD:
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

    learning_rate: float | Schedule = 0.1

    def __post_init__(self) -> None:
        if not callable(self.learning_rate):
            check_rate("learning_rate", self.learning_rate)

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of one step.

        Parameters
        ----------
        step : int
            The number of the step, from 0.

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If a schedule gives anything but a finite number that is not negative.

        Examples
        --------
        >>> import lowprec as lp
        >>> lp.SGD(lambda step: 0.5**step).learning_rate_at(2)
        0.25
        """
        if not callable(self.learning_rate):
            return self.learning_rate
        rate = self.learning_rate(step)
        check_rate(f"learning_rate({step})", rate)
        return rate

    def describe(self) -> dict[str, Any]:
        """This optimizer as JSON has it; ValueError if its schedule cannot be written."""
        return {"optimizer": "SGD", "learning_rate": describe(self.learning_rate)}

    def init_state(self, num_rows: int, embedding_dim: int) -> dict[str, NDArray[Any]]:
        """The state that a table keeps for this optimizer, by name: none."""
        return {}

    def update_rows(
        self,
        kernels: ModuleType,
        weight: NDArray[Any],
        state: dict[str, NDArray[Any]],
        learning_rate: np.float32,
        runs: Any,
        gradients: Any,
        *rest: Any,
    ) -> Any:
        """Run the update kernel on the rows of a batch; `rest` is what all optimizers need.

        Returns how many rows were left out because their step is not finite.
        """
        return kernels.update_sgd(weight, runs, gradients, learning_rate, *rest)

    def update_dense(
        self, device: Device, parameters: Iterable[Any], gradients: Iterable[Any], step: int,
        halted: Any,
    ) -> None:  # fmt: skip
        """Step dense float32 parameters in place, unless training is `halted` (1,)."""
        learning_rate = np.float32(self.learning_rate_at(step))
        for parameter, gradient in zip(parameters, gradients, strict=True):
            device.kernels.update_dense_sgd(
                parameter.reshape(-1), gradient.reshape(-1), learning_rate, halted
            )


def optimizer_from_description(description: Any) -> SGD:
    """What `SGD.describe` described; KeyError, TypeError or ValueError if that cannot be."""
    if description["optimizer"] != "SGD":
        raise ValueError(f"has an unknown optimizer, {description['optimizer']!r}")
    return SGD(from_description(description["learning_rate"]))
