"""Fair timing on a noisy machine: contestants take turns, and medians are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def interleaved(
    contestants: dict[str, Callable[[int], None]], rounds: int, warmup: int = 2
) -> dict[str, list[float]]:
    """Seconds of each contestant in each round; a contestant is called with the round's number.

    Contestants that rotate through prepared inputs by that number all see the same ones.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(warmup + rounds):
        for name, contestant in contestants.items():
            start = time.perf_counter()
            contestant(number)
            elapsed = time.perf_counter() - start
            if number >= warmup:
                seconds[name].append(elapsed)
    return seconds


def summary(times: list[float]) -> str:
    """Median and quartiles in milliseconds."""
    low, middle, high = statistics.quantiles(times, n=4)
    return f"{1e3 * middle:.2f} [{1e3 * low:.2f}, {1e3 * high:.2f}]"


def ratio(times: list[float], reference: list[float]) -> float:
    """How many times faster than the reference: the median of the ratios, round by round."""
    return statistics.median(r / t for r, t in zip(reference, times, strict=True))
