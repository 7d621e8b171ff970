"""Learning-rate schedules: functions from the number of a step, from 0, to its learning rate."""

from __future__ import annotations

import math
import operator
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, Protocol

import numpy as np

from lowprec.checks import as_plain, check_int

_LARGEST = float(np.finfo(np.float32).max)  # rates are float32 numbers where they are used
# Of float32, without its arithmetic, which may make subnormal numbers 0 in the user's thread.
_SMALLEST, _BECOMES_ZERO = 2.0**-149, 2.0**-150
_STEPS = 2**63


class Schedule(Protocol):
    """Anything that maps a step (int, from 0) to a learning rate (float, not negative).

    Any function works; only those of this module can be saved in files.

    Examples
    --------
    >>> import lowprec as lp
    >>> lp.SGD(lambda step: 0.5 if step < 10 else 0.25).learning_rate_at(10)
    0.25
    """

    def __call__(self, step: int) -> float:
        """The learning rate of a step.

        Parameters
        ----------
        step : int
            The number of the step, from 0.

        Returns
        -------
        float
            Finite, not negative; if it is not 0, then not 0 in float32 either.
        """
        ...


def check_nonnegative(name: str, value: float, *, in_float32: bool = True) -> None:
    """ValueError or TypeError unless `value` is a finite number of float32, not negative.

    A positive one that would become 0 is none, unless it is not used `in_float32`.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    value = as_plain(value)
    # NaN is looked for apart: to compare it is an exception, which the user's thread may trap
    is_nan = isinstance(value, float) and math.isnan(value)
    if is_nan or not 0 <= value <= _LARGEST:
        raise ValueError(f"{name} must be finite and not negative, got {value!r}")
    if in_float32 and 0 < value <= _BECOMES_ZERO:
        raise ValueError(
            f"{name} must be positive in float32, whose smallest number is {_SMALLEST:.2g}, "
            f"got {value!r}, which would become 0"
        )


def check_positive(name: str, value: float) -> None:
    """ValueError or TypeError unless `value` is a finite number that is positive in float32."""
    check_nonnegative(name, value)
    if value <= _BECOMES_ZERO:
        raise ValueError(f"{name} must be positive in float32, got {value}")


def _keep_plain(schedule: Any) -> None:
    """Make the fields numbers of Python: those of NumPy overflow, and JSON has none of them."""
    for name, value in asdict(schedule).items():
        if type(value) not in (int, float):
            # `vars`, as the dataclass is frozen
            vars(schedule)[name] = operator.index(value) if "steps" in name else float(value)


def _check_step(step: int) -> int:
    return check_int("step", step, low=0, high=_STEPS)


@dataclass(frozen=True)
class Constant:
    """The same learning rate at every step.

    Parameters
    ----------
    learning_rate : float
        Finite, not negative.

    Raises
    ------
    TypeError, ValueError
        If `learning_rate` is invalid.

    Examples
    --------
    >>> import lowprec as lp
    >>> lp.schedules.Constant(0.1)(1000)
    0.1
    """

    learning_rate: float

    def __post_init__(self) -> None:
        check_nonnegative("learning_rate", self.learning_rate)
        _keep_plain(self)

    def __call__(self, step: int) -> float:
        """The learning rate of a step, as for `Schedule`."""
        _check_step(step)
        return self.learning_rate


@dataclass(frozen=True)
class InverseTime:
    """``learning_rate / (1 + decay * step)``: the 1/t steps of strongly convex theory.

    Parameters
    ----------
    learning_rate : float
        The rate of step 0; finite, not negative.
    decay : float
        How fast the rate falls; finite, not negative.  At step ``1 / decay`` it is half of
        `learning_rate`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a finite number, or is negative.

    Notes
    -----
    Robbins and Monro ("A Stochastic Approximation Method", 1951) require steps whose sum is
    infinite and whose squares have a finite sum, which holds here.  With
    ``decay = learning_rate * l2`` these are the steps of Bottou, "Stochastic Gradient Descent
    Tricks" (2012), section 5.2.

    Examples
    --------
    >>> import lowprec as lp
    >>> lp.schedules.InverseTime(1.0, decay=0.5)(2)
    0.5
    """

    learning_rate: float
    decay: float

    def __post_init__(self) -> None:
        check_nonnegative("learning_rate", self.learning_rate)
        check_nonnegative("decay", self.decay, in_float32=False)
        _keep_plain(self)

    def __call__(self, step: int) -> float:
        """The learning rate of a step, as for `Schedule`."""
        step = _check_step(step)
        return self.learning_rate / (1.0 + self.decay * step)


@dataclass(frozen=True)
class WarmupLinearDecay:
    """A linear rise to `learning_rate` over `warmup_steps`, then a linear fall to 0.

    Step s < `warmup_steps` has ``learning_rate * (s + 1) / warmup_steps``.  The fall ends at
    `total_steps`; later steps have rate 0.

    Parameters
    ----------
    learning_rate : float
        The highest rate; finite, not negative.
    warmup_steps : int
        Steps of the rise; may be 0.
    total_steps : int
        Steps of rise and fall together; more than `warmup_steps`.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.

    Examples
    --------
    >>> import lowprec as lp
    >>> schedule = lp.schedules.WarmupLinearDecay(1.0, warmup_steps=2, total_steps=6)
    >>> [schedule(step) for step in range(7)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """

    learning_rate: float
    warmup_steps: int
    total_steps: int

    def __post_init__(self) -> None:
        check_nonnegative("learning_rate", self.learning_rate)
        warmup_steps = check_int("warmup_steps", self.warmup_steps, low=0, high=_STEPS)
        check_int("total_steps", self.total_steps, low=warmup_steps + 1, high=2 * _STEPS)
        _keep_plain(self)

    def __call__(self, step: int) -> float:
        """The learning rate of a step, as for `Schedule`."""
        step = _check_step(step)
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        left = (self.total_steps - step) / (self.total_steps - self.warmup_steps)
        return self.learning_rate * max(0.0, left)


_NAMED = {kind.__name__: kind for kind in (Constant, InverseTime, WarmupLinearDecay)}


def describe(learning_rate: float | Schedule) -> float | dict[str, Any]:
    """A learning rate or a schedule of this module as JSON has it.

    Raises
    ------
    ValueError
        For any other function, which cannot be written to a file.
    """
    if not callable(learning_rate):
        return float(learning_rate)
    name = type(learning_rate).__name__
    if type(learning_rate) is not _NAMED.get(name):
        raise ValueError(
            f"the schedule {learning_rate!r} cannot be written to a file; one of "
            f"lowprec.schedules can: {', '.join(_NAMED)}"
        )
    return {"schedule": name, **asdict(learning_rate)}  # type: ignore[call-overload]


def from_description(description: Any) -> float | Schedule:
    """What `describe` described; KeyError, TypeError or ValueError if it is invalid."""
    if not isinstance(description, dict):
        check_nonnegative("learning_rate", description)
        return float(description)
    fields = dict(description)
    schedule: Schedule = _NAMED[fields.pop("schedule")](**fields)
    return schedule
