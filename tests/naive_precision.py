"""Slow, obvious counting of what an update does, in exact fractions; see `lowprec.roundoff.report`.

Built on `tests.naive` alone: nothing here is imported from the library.
"""

import math
from fractions import Fraction

import numpy as np

from tests import naive

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def shape(name):
    """(exponent bits, mantissa bits, largest finite) of a format."""
    if name == "float32":
        return 8, 23, LARGEST_FLOAT32
    return naive.FORMATS[name][2:]


def nearest(x, name):
    return float(np.float32(naive.round_nearest(x, name))) if name != "float32" else float(x)


def diagnose(table, learning_rate, name, *batch, **more):
    """The counts of one update in the format `name`, by the names of a report."""
    exponent_bits, mantissa_bits, largest = shape(name)
    smallest_normal = Fraction(2) ** (2 - 2 ** (exponent_bits - 1))
    rate = np.float32(learning_rate)
    found = dict.fromkeys(
        ["rows", "skipped_rows", "weights", "steps", "lost", "subnormal", "saturated"], 0
    )
    found |= dict.fromkeys(
        ["mass", "energy", "lost_mass", "noise", "error", "squared"], Fraction(0)
    )
    for row, sums in naive.row_gradients(table, *batch, **more).items():
        if not all(math.isfinite(rate * total) for total in sums):
            found["skipped_rows"] += 1
            continue
        found["rows"] += 1
        key = naive.row_key(table.seed, 0, table.step, row)
        for c, total in enumerate(sums):
            weight = np.float32(nearest(np.float32(table.weight[row, c]), name))
            exact = naive.fma(-rate, total, weight)
            step = -Fraction(float(rate)) * Fraction(float(total))
            value = Fraction(float(exact))
            found["weights"] += 1
            found["steps"] += step != 0
            found["mass"] += abs(step)
            found["energy"] += step**2
            if step != 0 and nearest(exact, name) == weight:
                found["lost"] += 1
                found["lost_mass"] += abs(step)
            found["subnormal"] += 0 < abs(value) < smallest_normal
            if abs(value) > Fraction(largest):
                found["saturated"] += 1
                continue
            if value == 0:
                continue
            gap = naive.ulp(value, exponent_bits, mantissa_bits)
            lower = value // gap * gap
            found["noise"] += (value - lower) * (lower + gap - value)
            if name == "float32":
                continue
            stored = naive.store(exact, key, c, name, table.rounding)
            moved = (Fraction(float(np.float32(stored))) - value) / gap
            found["error"] += moved if step > 0 else -moved
            found["squared"] += moved**2
    return found
