"""Counting what a format does to the steps of some rows: of any device, but always on the host."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.cpu.options import SERIAL_KERNEL
from lowprec.kernels.rows import round_columns
from lowprec.scalar.formats import decode, round_nearest
from lowprec.scalar.precision import rounding_variance, spacing
from lowprec.scalar.updates import is_finite, sgd
from lowprec.scalar.xorshift import derive, halves_of


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


@njit(**SERIAL_KERNEL)
def survey(before, gradients, learning_rate, rows, key, stochastic, like, limits):
    """Step float32 rows, stored in the format of the words `like`, as a table steps them.

    `before` and `gradients` are float32 (rows, columns), `rows` their numbers in the table, for the
    draws.  What `before` holds is rounded to nearest first, which leaves a table's own format as
    it is.
    """
    nonfinite = weights = steps = lost = subnormal = saturated = 0
    mass = energy = lost_mass = noise = error = squared_error = 0.0
    for r in range(before.shape[0]):
        low, high = halves_of(derive(key, np.int64(rows[r])))
        for c in range(before.shape[1]):
            weight = decode(round_nearest(before[r, c], like))
            exact = sgd(weight, gradients[r, c], learning_rate)
            if not is_finite(exact):
                nonfinite += 1
                continue
            weights += 1
            step = -np.float64(learning_rate) * np.float64(gradients[r, c])
            mass += abs(step)
            energy += step * step
            # without branches, as which steps are lost is hard to predict
            stays = (step != 0.0) & (decode(round_nearest(exact, like)) == weight)
            steps += step != 0.0
            lost += stays
            lost_mass += np.float64(stays) * abs(step)
            subnormal += (exact != 0.0) & (abs(exact) < limits.min_normal)
            if abs(exact) > limits.max_finite:
                saturated += 1
                continue
            gap = spacing(exact, limits)
            noise += rounding_variance(exact, gap)
            stored = decode(round_columns(exact, low, high, c, stochastic, like))
            moved = (np.float64(stored) - np.float64(exact)) / gap
            error += moved if step > 0.0 else -moved
            squared_error += moved * moved
    return Survey(
        nonfinite, weights, steps, mass, energy, lost, lost_mass, subnormal, saturated,
        noise, error, squared_error,
    )  # fmt: skip
