"""What an optimizer is, and how one is described in a file.

An optimizer is a frozen dataclass for people.  For each step it makes a *rule*: a NamedTuple of
float32 numbers, whose class has the arithmetic as static methods, in plain Python.  Kernels compile
these methods, on every device, for numbers and for `Lanes` of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, get_args

import numpy as np

from lowprec.checks import as_plain, check_choice
from lowprec.optimizers.states import LAST, State, resolve_dtypes
from lowprec.schedules import Schedule, check_nonnegative, check_positive
from lowprec.typing import Decay, Rounding, StateStorage

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
    that row, which has a `step` for the states that have the shape of the weights.  If there is

    ``measure(rule, gradient, weight, *states) -> (number, number)``

    too, `row` gets the mean squares of these two numbers in place of the gradient's.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.1
        A nonnegative number, or a function of the step (int, from 0) that returns one: see
        `lowprec.schedules`.
    state_dtype : str, dtype or mapping of str to them, default "float32"
        How a table stores the states: all of them, or each by its name.  Dense layers keep theirs
        in float32.
    state_rounding : {"stochastic", "nearest"}, default "stochastic"
        How states that are not float32 are rounded, with their own random bits.
    weight_decay : float, default 0.0
        Before the rule, a weight shrinks by ``learning_rate * weight_decay`` of itself
        (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019).
    decay : {"seen", "catch_up"}, default "seen"
        What of a table shrinks: the rows that a batch holds; or these, when they are next seen,
        also for each step at which they were not, with its learning rate.  The state ``"last"``,
        uint32 (rows, 1), then has the number of updates after the one that stepped a row last.
    clip_value, clip_norm : float, optional
        Before all that, each number of a row's gradient is brought within
        ``[-clip_value, clip_value]``, and then the gradient is multiplied by ``clip_norm / norm``
        if its Euclidean norm over the row is larger than `clip_norm`.

    Raises
    ------
    TypeError, ValueError
        If the learning rate is not a finite number, or is negative; or another parameter is none
        of what it may be: see `state_dtypes`.  In a step, if ``learning_rate * weight_decay`` is 1
        or more.

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

    penalty = "its weight_decay, which shrinks the rows of a batch,"  # in place of a model's l2

    learning_rate: float | Schedule = 0.1
    _: KW_ONLY
    state_dtype: StateStorage = "float32"
    state_rounding: Rounding = "stochastic"
    weight_decay: float = 0.0
    decay: Decay = "seen"
    clip_value: float | None = None
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        for f in fields(self):  # in `vars`, as it is frozen
            vars(self)[f.name] = as_plain(getattr(self, f.name))
        if not callable(self.learning_rate):
            check_nonnegative("learning_rate", self.learning_rate)
        check_choice("state_rounding", self.state_rounding, get_args(Rounding))
        check_nonnegative("weight_decay", self.weight_decay)
        if self.weight_decay or isinstance(self.decay, str):  # a class of one's own may have its
            check_choice("decay", self.decay, get_args(Decay))
        for name in ("clip_value", "clip_norm"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
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
        """Whether a step is proportional to the gradient, independent of earlier steps.

        `l2` of `LogisticRegression` requires it.
        """
        return False

    @property
    def catches_up(self) -> bool:
        """Whether a table stores when each row was last updated, to catch up on weight decay."""
        return self.weight_decay > 0 and self.decay == "catch_up"

    @property
    def clips(self) -> bool:
        """Whether gradients are clipped."""
        return self.clip_value is not None or self.clip_norm is not None

    @property
    def starts_at_zero(self) -> bool:
        """Whether the weights of a table start at zero by default."""
        return False

    def states_for(self, weight: Any, states: Mapping[str, Any]) -> dict[str, Any]:
        """The states that are a function of the weights, for weights that were written.

        Parameters
        ----------
        weight : ndarray of float32, shape (n, columns)
            Of NumPy, or of CuPy.
        states : mapping of str to ndarray of float32
            What is kept of these rows.

        Returns
        -------
        dict of str to ndarray of float32
            States that replace those of the same name; none by default.
        """
        return {}

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
            If a schedule returns anything but a finite, nonnegative number.

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
        return as_plain(rate)  # type: ignore[no-any-return]

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
        """The arrays that the optimizer keeps for the weights, by name.

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

    def kept_states(self) -> dict[str, State]:
        """All arrays of a table: `states`, and ``"last"`` where decay is caught up."""
        return {**self.states(), "last": LAST} if self.catches_up else self.states()

    def state_dtypes(self) -> dict[str, np.dtype]:
        """The storage dtypes of the states of a table, by name.

        Returns
        -------
        dict of str to dtype

        Raises
        ------
        TypeError, ValueError
            If `state_dtype` is not a storage format, or a mapping with a name that is no state; or
            if the format of squares is not float32 or bfloat16, because squares underflow in the
            others.

        Examples
        --------
        >>> import lowprec as lp
        >>> lp.Adam(1e-3, state_dtype={"square": "bfloat16"}).state_dtypes()
        {'mean': dtype('float32'), 'square': dtype(bfloat16)}
        """
        return resolve_dtypes(self.kept_states(), self.state_dtype)

    def largest_gradient(self, rule: Any, columns: int) -> float:
        """The largest size of a number in a row's gradient for which the step is certainly finite.

        A row with a larger number is not updated.

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
