"""What an optimizer is, and how one is described in a file.

An optimizer is a frozen dataclass for people.  For each step it makes a *rule*: a NamedTuple of
float32 numbers, whose class has the arithmetic as static methods, in plain Python.  Kernels compile
these methods, on every device, for numbers and for `Lanes` of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any

import numpy as np

from lowprec.checks import check_choice
from lowprec.formats.entries import storage_dtype
from lowprec.kernels.names import tell_apart
from lowprec.optimizers.states import State, resolve_dtypes
from lowprec.schedules import Schedule, check_nonnegative, describe

LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, repr=False)
class Optimizer:
    """The base of all optimizers; a subclass is a frozen dataclass that defines `rule`.

    A rule is a NamedTuple of float32 numbers.  Its class has a static method

    ``step(rule, gradient, weight, *states) -> (weight, *states)``

    for single numbers, or lanes of them.  A product that is added is a
    ``lowprec.scalar.bits.fma``, so that all devices round alike; ``sqrt`` and ``select`` are there,
    too.  A rule that looks at whole rows also has

    ``row(rule, mean_square, *row_states) -> (rule_of_row, *row_states)``

    which is called once a row with the mean of the squares of its gradient.  It gives the rule of
    that row, which has a `step` for the states that have the shape of the weights.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.1
        A number, not negative, or a function from the step (int, from 0) to one: see
        `lowprec.schedules`.
    state_dtype : str, dtype or mapping of str to them, default "float32"
        How a table stores the states: all of them, or each by its name.  Dense layers keep theirs
        in float32.
    state_rounding : {"stochastic", "nearest"}, default "stochastic"
        How states are rounded that are not float32, with random bits of their own.

    Raises
    ------
    TypeError, ValueError
        If the learning rate is not a finite number, or is negative; or `state_dtype` or
        `state_rounding` is none of what it may be: see `state_dtypes`.

    Notes
    -----
    Immutable.  A file names an optimizer by its class; `load` finds a class of your own if the
    module that defines it has been imported.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from typing import NamedTuple
    >>> import numpy as np, lowprec as lp
    >>> from lowprec.optimizers import Optimizer
    >>> class Towards(NamedTuple):
    ...     learning_rate: np.float32
    ...
    ...     @staticmethod
    ...     def step(rule, gradient, weight):
    ...         return (weight - rule.learning_rate * (weight - gradient),)
    >>> @dataclass(frozen=True)
    ... class MovingAverage(Optimizer):
    ...     def rule(self, step):
    ...         return Towards(np.float32(self.learning_rate_at(step)))
    >>> table = lp.EmbeddingTable(4, 2, "float32", optimizer=MovingAverage(0.25), init_range=0.0)
    >>> table.update(np.array([3]), np.ones((1, 2), np.float32))
    >>> table.weight[3]
    array([0.25, 0.25], dtype=float32)
    """

    learning_rate: float | Schedule = 0.1
    _: KW_ONLY
    state_dtype: Any = "float32"
    state_rounding: str = "stochastic"

    def __post_init__(self) -> None:
        if not callable(self.learning_rate):
            check_nonnegative("learning_rate", self.learning_rate)
        check_choice("state_rounding", self.state_rounding, ("stochastic", "nearest"))
        self.state_dtypes()

    def __repr__(self) -> str:
        """The learning rate, and whatever else is not as it is by default."""
        shown = [
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if f.name == "learning_rate" or getattr(self, f.name) != f.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def linear(self) -> bool:
        """Whether a step is a number times the gradient, whatever came before.

        The `l2` of `LogisticRegression` asks for it.
        """
        return False

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
        check_nonnegative(f"learning_rate({step})", rate)
        return rate

    def rule(self, step: int) -> Any:
        """The rule of one step, as kernels take it.

        Parameters
        ----------
        step : int
            The number of the step, from 0.

        Returns
        -------
        NamedTuple of float32

        Raises
        ------
        NotImplementedError
            If a subclass does not define it.
        TypeError, ValueError
            As for `learning_rate_at`.

        Examples
        --------
        >>> import lowprec as lp
        >>> float(lp.SGD(0.5).rule(step=0).learning_rate)
        0.5
        """
        raise NotImplementedError(f"{type(self).__name__} has no rule")

    def states(self) -> dict[str, State]:
        """The arrays kept beside the weights, by name.

        Those of the shape of the weights come first, in the order in which `step` takes them, and
        then those with one number a row.

        Returns
        -------
        dict of str to State

        Examples
        --------
        >>> import lowprec as lp
        >>> lp.SGD(0.5).states()
        {}
        """
        return {}

    def state_dtypes(self) -> dict[str, np.dtype]:
        """The storage dtypes of the states of a table, by name.

        Returns
        -------
        dict of str to dtype

        Raises
        ------
        TypeError, ValueError
            If `state_dtype` is no storage format, or a mapping with a name that is no state; or if
            a format other than float32 and bfloat16 is given for squares, which underflow there.

        Examples
        --------
        >>> import lowprec as lp
        >>> lp.Adam(1e-3, state_dtype={"square": "bfloat16"}).state_dtypes()
        {'mean': dtype('float32'), 'square': dtype(bfloat16)}
        """
        return resolve_dtypes(self.states(), self.state_dtype)

    def largest_gradient(self, rule: Any, columns: int) -> float:
        """A row whose gradient has a number beyond this, in size, is not stepped.

        The most for which a step is sure to be finite, where the weight is.

        Parameters
        ----------
        rule : NamedTuple
            The rule of the step.
        columns : int
            Numbers of a row.

        Returns
        -------
        float
            At most the largest finite float32, the default.

        Examples
        --------
        >>> import lowprec as lp
        >>> slow, fast = lp.SGD(0.5), lp.SGD(1e3)
        >>> slow.largest_gradient(slow.rule(0), 16) > fast.largest_gradient(fast.rule(0), 16)
        True
        """
        return LARGEST

    def describe(self) -> dict[str, Any]:
        """This optimizer as JSON has it; ValueError if its schedule cannot be written."""
        numbers = {f.name: getattr(self, f.name) for f in fields(self)}
        numbers = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in numbers.items()
        }
        numbers["learning_rate"] = describe(self.learning_rate)
        if isinstance(self.state_dtype, Mapping):
            dtypes = self.state_dtypes().items()
            numbers["state_dtype"] = {name: storage.name for name, storage in dtypes}
        else:
            numbers["state_dtype"] = storage_dtype(self.state_dtype).name
        return {"optimizer": type(self).__name__, **numbers}


def rule_of(optimizer: Optimizer, step: int) -> Any:
    """The rule of a step, for kernels: Numba tells its class from others of its name and fields."""
    rule = optimizer.rule(step)
    tell_apart(type(rule))
    return rule
