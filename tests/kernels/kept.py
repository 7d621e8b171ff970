"""Kernels that the tests of the cache keep on disk, and what is in a folder of them."""

from typing import NamedTuple

from numba import njit, prange
from numba.extending import overload


def double(x):
    return x + x


def total(values):
    total = 0.0
    for i in prange(values.size):
        total += values[i]
    return total


def apply(rule, x): ...


@overload(apply)
def _apply(rule, x):
    step = njit(rule.instance_class.step)
    return lambda rule, x: step(rule, x)


def run(rule, x):
    return apply(rule, x)


class Doubling(NamedTuple):
    """As users write them."""

    rate: float

    @staticmethod
    def step(rule, x):
        return x * 2.0 + rule.rate


def hits(kernel):
    return sum(kernel.stats.cache_hits.values())


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
