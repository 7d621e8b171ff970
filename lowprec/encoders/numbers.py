"""A column of numbers as one dense feature and one feature of bins.

A number is in the bin of its quantile, and beside it stands the number itself, standardised; row 0
of the bins is for missing values.  Quantiles, mean and deviation are those of a sample of the
values: of all of them up to `SAMPLE_SIZE`, and else of those whose numbers, counted over all calls,
have the smallest hashes.  So they do not depend on how the samples were cut into calls.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.kernels.cpu.encoding import encode_numbers, word_keys
from lowprec.scalar.values import INTEGER

Floats = NDArray[np.float64]

SAMPLE_SIZE = 1 << 16
LIMIT = 10.0  # deviations from the mean: dense features end there, and tails are long beyond
_ALL_BITS = 2**64 - 1


class Scale(NamedTuple):
    """How a number becomes a dense feature: (x - mean) * factor."""

    is_logarithmic: bool  # sign(x) * log(1 + |x|) comes first
    mean: float
    factor: float


def _nothing() -> Floats:
    return np.empty(0)


def _no_places() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Numbers:
    """What has been seen of a column of numbers."""

    bins: int
    count: int = 0  # values that are not missing
    level: int = 0  # the sample has 1 of 2**level values
    places: NDArray[np.int64] = field(default_factory=_no_places)  # the number of each of them
    sample: Floats = field(default_factory=_nothing)

    def seen(self, values: Floats) -> Numbers:
        """With these values, none of which is missing."""
        count = self.count + len(values)
        places, sample, level = self.places, self.sample, self.level
        for start in range(0, len(values), SAMPLE_SIZE):
            some = values[start : start + SAMPLE_SIZE]
            more = np.arange(len(some)) + (self.count + start)
            kept = in_sample(more, level)
            places = np.concatenate([places, more[kept]])
            sample = np.concatenate([sample, some[kept]])
            while len(sample) > SAMPLE_SIZE:
                level += 1
                kept = in_sample(places, level)
                places, sample = places[kept], sample[kept]
        return Numbers(self.bins, count, level, places, sample)

    @property
    def num_embeddings(self) -> int:
        """Rows of the bins, row 0 included."""
        return 2 + len(self.edges)

    @functools.cached_property
    def edges(self) -> Floats:
        """Where bins begin, but for the first one: ascending."""
        return quantile_edges(np.sort(self.sample), self.bins)

    @functools.cached_property
    def scale(self) -> Scale:
        """How the dense feature is made."""
        return scale_of(self.sample)

    def encode(self, values: Floats) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows and the dense feature of values; ValueError names an infinite one."""
        rows, dense = np.empty(len(values), np.int32), np.empty(len(values), np.float32)
        bad = encode_numbers(values, self.edges, *self.scale, LIMIT, rows, dense)
        if bad >= 0:
            raise InfiniteValueError(bad, values[bad])
        return rows, dense


class InfiniteValueError(ValueError):
    """A number is infinite."""

    def __init__(self, row: int, value: float) -> None:
        super().__init__(row, value)
        self.row, self.value = row, value


def check_finite(values: Floats) -> None:
    """InfiniteValueError names the first infinite value."""
    infinite = np.isinf(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise InfiniteValueError(row, values[row])


def in_sample(places: NDArray[np.int64], level: int) -> NDArray[np.bool_]:
    """Whether the value of such a number is in a sample of 1 in 2**level."""
    if level == 0:
        return np.ones(len(places), np.bool_)
    keys = np.empty(len(places), np.uint64)
    word_keys(places.view(np.uint64), INTEGER, keys)
    return keys <= np.uint64(_ALL_BITS >> level)


def quantile_edges(ordered: Floats, bins: int) -> Floats:
    """Edges that cut ascending values into parts of about equal size.

    A value that fills a part alone gets its own bin, and the others share the bins that are left.
    So there are `bins` of them, or up to twice as many where such values lie between others.
    """
    values, counts = np.unique(ordered, return_counts=True)
    if len(values) <= bins:
        return values[1:]
    own = np.zeros(len(values), np.bool_)
    left, others = bins, len(ordered)
    while True:  # each bin of its own leaves fewer values to each other bin
        heavy = ~own & (counts * left >= others)
        if not heavy.any():
            break
        own |= heavy
        left, others = bins - int(own.sum()), int(counts[~own].sum())
    # a bin of others ends where its share is full, or at a value with a bin of its own
    before = np.cumsum(np.where(own, 0, counts)) - np.where(own, 0, counts)
    part = before * left // max(1, others)
    begins = np.flatnonzero((np.diff(part) > 0) | own[1:] | own[:-1]) + 1
    return values[begins]


def scale_of(sample: Floats) -> Scale:
    """By mean and deviation; of logarithms where a value is more than `LIMIT` deviations away.

    Sums are exactly rounded, so that they are the same in any order.
    """
    mean, deviation = _moments(sample)
    is_logarithmic = bool(len(sample)) and _distance(sample, mean) > LIMIT * deviation > 0
    if is_logarithmic:
        logarithms = [math.copysign(math.log1p(abs(x)), x) for x in sample.tolist()]
        mean, deviation = _moments(np.array(logarithms))
    factor = 1.0 / deviation if deviation > 0 else 1.0
    return Scale(is_logarithmic, mean, factor if math.isfinite(factor) else 1.0)


def _moments(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation, of values of any size; 0 and 0 of none."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0.0:
        return 0.0, 0.0
    shares = values / largest  # their squares do not overflow
    mean = math.fsum(shares) / len(shares)
    return mean * largest, math.sqrt(math.fsum((shares - mean) ** 2) / len(shares)) * largest


def _distance(values: Floats, mean: float) -> float:
    return float(max(values.max() - mean, mean - values.min()))
