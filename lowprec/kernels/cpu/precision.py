"""Counting what a format does to the steps of some rows: of any device, but always on the host."""

from typing import NamedTuple

import numpy as np

from lowprec.formats.words import decode, round_nearest
from lowprec.kernels.blocks import load
from lowprec.kernels.columns import by_column, by_row, round_columns, row_step, step
from lowprec.kernels.cpu.compiling import serial
from lowprec.kernels.cpu.squares import mean_squares, prepare_row
from lowprec.kernels.keys import first_table, row_key
from lowprec.kernels.preparing import (
    OfRow,
    prepared,
    prepared_gradient,
    share_of_missed,
)
from lowprec.scalar.finite import is_finite
from lowprec.scalar.internal import internal, overloaded
from lowprec.scalar.precision import rounding_variance, spacing


class Survey(NamedTuple):
    """Counts and sums over numbers; sums are float64."""

    nonfinite: int  # results that are inf or NaN: in none of what follows
    weights: int
    steps: int  # numbers whose step is not zero
    mass: float  # sum of |step|
    energy: float  # sum of step**2
    lost: int  # steps that rounding to nearest leaves where they were
    lost_mass: float
    subnormal: int
    saturated: int
    noise: float  # sum of the variances of rounding stochastically
    error: float  # sum of the rounding errors along the step, in distances of neighbours
    squared_error: float


def _read(arrays, place, dtype):
    """The float32 numbers of each array at a place, as `dtype`."""


@overloaded(_read, forceinline=True)
def _overload_read(arrays, place, dtype):
    if len(arrays) == 0:
        return lambda arrays, place, dtype: ()
    return lambda arrays, place, dtype: (
        (dtype(load(arrays[0], place, 1)),) + _read(arrays[1:], place, dtype)  # noqa: RUF005
    )


@serial
def share_missed(logs, seen, step, missed):
    """Fill `missed`: what rows have lost since they were seen last."""
    for r in range(seen.size):
        missed[r] = share_of_missed(logs, seen[r], step)


@internal(forceinline=True, error_model="numpy")
def _change(rule, gradient, weight, states):
    """What the rule adds to a weight, in float64; without a loss where it is the same from 0."""
    there = step(rule, gradient, (weight,) + states)[0]  # noqa: RUF005
    from_zero = step(rule, gradient, (0.0,) + states)[0]  # noqa: RUF005
    is_same = abs(weight + from_zero - there) <= 2.0**-51 * abs(there)
    return from_zero if is_same else there - weight


@serial
def survey(
    rule, preparation, in_float64, before, missed, gradients, keys, step_number, rows, stochastic,
    format_of, limits, chains,
):  # fmt: skip
    """Step float32 rows, stored in the format of the words `format_of`, as a table does.

    `before` are the rows of ``(weight, *states)``, `gradients` theirs, and `rows` (n,) their
    numbers in the table, for the draws.  Weights are rounded to nearest first, which leaves a
    table's own format as it is.  The step itself is that of the rule in float64, as the
    preparation is; `missed` is that of `OfRow`, and `chains` is scratch, as for `mean_squares`.
    """
    nonfinite = weights = steps = lost = subnormal = saturated = 0
    mass = energy = lost_mass = noise = error = squared_error = 0.0
    columns = gradients.shape[1]
    stepped = by_column(rule, before)
    of_first = first_table(keys, step_number)
    for r in range(gradients.shape[0]):
        low, high = row_key(keys, step_number, of_first, np.int64(rows[r]))
        first = r * columns
        of_row = prepare_row(preparation, gradients, first, columns, missed[r], chains)
        wide_row = OfRow(np.float64(of_row.scale), np.float64(of_row.missed))  # type: ignore[arg-type]
        squares = mean_squares(
            rule, preparation, of_row, stepped, first, gradients, first, columns, chains
        )
        own = row_step(rule, squares, _read(by_row(rule, before), r, np.float32))[0]
        for c in range(columns):
            gradient, place = gradients[r, c], first + c
            weight = decode(round_nearest(before[0][r, c], format_of))
            states = _read(stepped[1:], place, np.float32)
            exact = step(
                own, prepared_gradient(preparation, of_row, gradient),
                prepared(preparation, of_row, (weight,) + states),  # noqa: RUF005
            )[0]  # fmt: skip
            if not is_finite(exact):
                nonfinite += 1
                continue
            weights += 1
            states64 = _read(stepped[1:], place, np.float64)
            wide = prepared_gradient(in_float64, wide_row, np.float64(gradient))
            held = np.float64(weight)
            decayed = prepared(in_float64, wide_row, (held,) + states64)[0]  # noqa: RUF005
            change = _change(own, wide, decayed, states64) + (decayed - held)
            mass += abs(change)
            energy += change * change
            # without branches, as which steps are lost is hard to predict
            stays = (change != 0.0) & (decode(round_nearest(exact, format_of)) == weight)
            steps += change != 0.0
            lost += stays
            lost_mass += np.float64(stays) * abs(change)
            subnormal += (exact != 0.0) & (abs(exact) < limits.min_normal)
            if abs(exact) > limits.max_finite:
                saturated += 1
                continue
            gap = spacing(exact, limits)
            noise += rounding_variance(exact, gap)
            stored = decode(round_columns(exact, low, high, c, stochastic, format_of))
            moved = (np.float64(stored) - np.float64(exact)) / gap
            error += moved if change > 0.0 else -moved
            squared_error += moved * moved
    return Survey(
        nonfinite, weights, steps, mass, energy, lost, lost_mass, subnormal, saturated,
        noise, error, squared_error,
    )  # fmt: skip
