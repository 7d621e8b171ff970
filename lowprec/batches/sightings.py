"""How often keys were seen that have no row yet: a count-min sketch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lowprec.kernels.cpu import vocabulary as kernels
from lowprec.scalar.vocabulary import COUNTER

_WIDEST = 1 << 26


class Sightings:
    """Counts how often keys were seen; no count is too low.

    With a `ttl` there are two generations of them: the newer one takes the place of the older one
    more than `ttl` steps after it was begun, so all that is forgotten was seen before that.

    Cormode and Muthukrishnan, "An Improved Data Stream Summary: The Count-Min Sketch and its
    Applications" (Journal of Algorithms, 2005).  Counters are added to without a look at the other
    ones, so the order of keys does not matter.
    """

    def __init__(self, capacity: int, min_count: int, ttl: int | None, seed: int) -> None:
        self._of_counters = kernels.key_of(seed, COUNTER)
        width = min(1 << max(10, (2 * capacity - 1).bit_length()), _WIDEST)
        generations = 1 if ttl is None else 2
        dtype = np.uint8 if min_count < 2**8 else np.uint16
        self.counts = np.zeros((generations, kernels.LINES, width), dtype)
        self.begun = 0  # the step of the newer generation

    def count(self, keys: NDArray[np.uint64]) -> None:
        """Count each of these keys once."""
        most = np.iinfo(self.counts.dtype).max
        kernels.count(self.counts[0], self._of_counters, keys, most)

    def of(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """How often keys were seen, or more: at least `min_count` if they were as often as that."""
        times = np.zeros(len(keys), np.int64)
        for generation in self.counts:
            kernels.estimate(generation, self._of_counters, keys, times)
        return times

    def forget(self, step: int, ttl: int) -> None:
        """Forget what was seen in the older generation, if the newer one is old enough."""
        if step - self.begun > ttl:
            self.counts[1] = self.counts[0]
            self.counts[0] = 0
            self.begun = step
