"""The columns of rows: the one place where numbers are stepped, rounded and stored.

A table is a flat tuple of arrays, ``(weight, *states)``, each in its own format; states with one
number a row come last.  A rule is a NamedTuple: `lowprec.optimizers.base` says what its class has.
All functions take a block of columns as `Lanes`, or a single number, on every device.
"""

import inspect

import numpy as np

from lowprec.formats.words import decode, random_bits, round_nearest, round_stochastic
from lowprec.kernels.blocks import load, store
from lowprec.kernels.preparing import prepared, prepared_gradient
from lowprec.scalar.bits import u32
from lowprec.scalar.finite import saturate
from lowprec.scalar.internal import internal, overloaded
from lowprec.scalar.lanes import Lanes, halves_of_lanes, lane_numbers
from lowprec.scalar.xorshift import draw, low_from, state_key, word

CHAINS = 16  # sums that the squares of a row are added up in: column c in number c % CHAINS
# without reference counts, as all that kernels are made of: each costs an atomic operation
_INLINE = {"forceinline": True, "error_model": "numpy", "nogil": True, "_nrt": False}


# --- random bits and rounding ---


def _draws(low, high, column, format_of, values): ...


@overloaded(_draws, **_INLINE)
def _overload_draws(low, high, column, format_of, values):
    if not isinstance(values, Lanes) or isinstance(low, Lanes):
        return lambda low, high, column, format_of, values: draw(
            low, high, column, random_bits(format_of)
        )
    count = values.count
    half_count = count // 2

    def draws_of_block(low, high, column, format_of, values):
        bits = random_bits(format_of)
        if bits <= 16:
            first = low_from(low, high, np.uint32(column >> 1))
            words = word(first, high, lane_numbers(half_count))
            return u32(u32(halves_of_lanes(words)) >> np.uint32(16 - bits))
        words = word(low_from(low, high, np.uint32(column)), high, lane_numbers(count))
        return u32(words >> np.uint32(32 - bits))

    return draws_of_block


@internal(**_INLINE)
def round_columns(values, low, high, column, stochastic, format_of):
    """Float32 `values` from `column` on as words in the format of `format_of`, an array.

    `low` and `high` are the halves of the key of the row; or lanes of them, where `values` are one
    column of as many rows.  `column` is even where it is a block: two columns share a random word.
    """
    if stochastic:
        return round_stochastic(values, _draws(low, high, column, format_of, values), format_of)
    return round_nearest(values, format_of)


# --- all arrays of a table ---


# What of a step is rounded stochastically where it is stored, and not to nearest: a sum of these,
# as one number, because each field of a tuple costs microseconds where kernels are called.
WEIGHT, STATES = 1, 2
NOTHING = 0


def _read_all(arrays, place, width): ...
def _write_states(values, arrays, place, column, low, high, stochastic, number): ...


@overloaded(_read_all, **_INLINE)
def _overload_read_all(arrays, place, width):
    """As many numbers as the block or number `width` has from each array, as float32."""
    if len(arrays) == 0:
        return lambda arrays, place, width: ()
    return lambda arrays, place, width: (
        (decode(load(arrays[0], place, width)),) + _read_all(arrays[1:], place, width)  # noqa: RUF005
    )


@overloaded(_write_states, **_INLINE)
def _overload_write_states(values, arrays, place, column, low, high, stochastic, number):
    """Round the new states from number `number` on and store them, each with its own bits."""
    if len(arrays) == 0:
        return lambda values, arrays, place, column, low, high, stochastic, number: None

    def write_states(values, arrays, place, column, low, high, stochastic, number):
        own_low, own_high = state_key(low, high, number)
        words = round_columns(values[0], own_low, own_high, column, stochastic, arrays[0])
        store(words, arrays[0], place)
        _write_states(
            values[1:], arrays[1:], place, column, low, high, stochastic, number + np.uint32(1)
        )

    return write_states


# --- rules ---


def has_row(rule_class):
    """Whether a rule looks at whole rows."""
    return hasattr(rule_class, "row")


def num_measures(rule_class):
    """How many numbers of each column a rule wants the mean squares of, over a row."""
    return 2 if hasattr(rule_class, "measure") else 1


def _num_row_states(rule):
    """How many states with one number a row the rule of a Numba type has."""
    row = getattr(rule.instance_class, "row", None)
    if row is None:
        return 0
    return len(inspect.signature(row).parameters) - 1 - num_measures(rule.instance_class)


def step(rule, gradient, values):
    """The new numbers from the old ones, ``(weight, *states)``, by the rule of a row."""


@overloaded(step, **_INLINE)
def _overload_step(rule, gradient, values):
    of_rule = internal(**_INLINE)(rule.instance_class.step)
    return lambda rule, gradient, values: of_rule(rule, gradient, *values)


def measure(rule, gradient, values):
    """Those numbers, from the gradient and ``(weight, *states)``: the gradient, if not told."""


@overloaded(measure, **_INLINE)
def _overload_measure(rule, gradient, values):
    if not hasattr(rule.instance_class, "measure"):
        return lambda rule, gradient, values: (gradient,)
    of_rule = internal(**_INLINE)(rule.instance_class.measure)
    return lambda rule, gradient, values: of_rule(rule, gradient, *values)


@internal(**_INLINE)
def measure_columns(rule, preparation, of_row, arrays, place, gradient):
    """What `measure` has of the numbers from `place` on; `arrays` are those `by_column`."""
    values = prepared(preparation, of_row, _read_all(arrays, place, gradient))
    return measure(rule, prepared_gradient(preparation, of_row, gradient), values)


def row_step(rule, squares, states):
    """The rule of a row and its new states, from the states with one number a row.

    `squares` has the mean over the row of the squares of each number that the rule measures.
    """


@overloaded(row_step, **_INLINE)
def _overload_row_step(rule, squares, states):
    if not has_row(rule.instance_class):
        return lambda rule, squares, states: (rule,)
    of_rule = internal(**_INLINE)(rule.instance_class.row)
    return lambda rule, squares, states: of_rule(rule, *squares, *states)


def by_column(rule, arrays):
    """The arrays of a table that have the shape of the weights."""


@overloaded(by_column, **_INLINE)
def _overload_by_column(rule, arrays):
    count = len(arrays) - _num_row_states(rule)
    return lambda rule, arrays: arrays[:count]


def by_row(rule, arrays):
    """The arrays of a table that have one number a row."""


@overloaded(by_row, **_INLINE)
def _overload_by_row(rule, arrays):
    count = len(arrays) - _num_row_states(rule)
    return lambda rule, arrays: arrays[count:]


@internal(**_INLINE)
def step_row(rule, arrays, row, squares, low, high, stochastic):
    """Step the states with one number a row; returns the rule of the row."""
    states = by_row(rule, arrays)
    found = row_step(rule, squares, _read_all(states, row, squares[0]))
    number = np.uint32(len(arrays) - len(states) - 1)
    _write_states(found[1:], states, row, 0, low, high, (stochastic & STATES) != 0, number)
    return found[0]


@internal(**_INLINE)
def step_columns(rule, preparation, of_row, arrays, place, column, gradient, low, high, stochastic):
    """Step the numbers from `place` on by `gradient`, a block or a number, and store them.

    `rule` is that of the row, `of_row` what the preparation is for it, and `arrays` are those
    `by_column`.  A weight beyond the finite float32 saturates.
    """
    held = prepared(preparation, of_row, _read_all(arrays, place, gradient))
    values = step(rule, prepared_gradient(preparation, of_row, gradient), held)
    stochastic_weight, stochastic_states = (stochastic & WEIGHT) != 0, (stochastic & STATES) != 0
    weight = saturate(values[0])
    words = round_columns(weight, low, high, column, stochastic_weight, arrays[0])
    store(words, arrays[0], place)
    _write_states(values[1:], arrays[1:], place, column, low, high, stochastic_states, np.uint32(0))


@internal(**_INLINE)
def sum_of_chains(chains, first):
    """The sum of CHAINS numbers from `first` on, in pairs: overwrites them."""
    half = CHAINS >> 1
    while half > 0:
        for i in range(half):
            chains[first + i] += chains[first + half + i]
        half >>= 1
    return chains[first]
