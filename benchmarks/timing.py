"""Fair timing on a noisy machine: contestants take turns, and medians are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

PAUSE = 0.001  # seconds between turns, for the threads of the one before to go to sleep
STEADY = 0.15  # quartiles further apart than this share of the median: something disturbed it


class Spread(NamedTuple):
    """The middle of some numbers, the quartiles around it, and the smallest."""

    median: float
    low: float
    high: float
    minimum: float

    @property
    def unsteady(self) -> bool:
        """Whether the quartiles are far apart."""
        return self.high - self.low > STEADY * self.median


def spread(values: Sequence[float]) -> Spread:
    """The median, quartiles and minimum of one number or more."""
    if len(values) == 1:
        return Spread(*(values[0],) * 4)
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high, min(values))


def interleaved(
    contestants: Mapping[str, Callable[[int], object]], rounds: int, seed: int = 0
) -> dict[str, list[float]]:
    """Seconds of each contestant in each round; a contestant is called with the round's number.

    Contestants that rotate through prepared inputs by that number all see the same ones.  Their
    order is new in each round, so none always follows the same other one.
    """
    rng = np.random.default_rng(seed)
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for position in rng.permutation(len(names)):
            name = names[position]
            time.sleep(PAUSE)
            start = time.perf_counter()
            contestants[name](number)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(times: Sequence[float], reference: Sequence[float]) -> Spread:
    """How many times faster than the reference, round by round."""
    return spread([r / t for r, t in zip(reference, times, strict=True)])
