"""Tests of words that are taken together, as TestU01's CollisionOver and ClosePairs take them.

They see rows whose words are those of other rows, moved by some columns or by a constant.

collisions
    Overlapping tuples of eight neighbouring words, by the top 5 bits of each: how many of 2**23
    tuples, of all rows one after the other, have come before; and the same of the differences of
    neighbouring words, within rows.  Few come before by chance: their number is Poisson's.
close pairs
    Points in eight dimensions, of eight words each: how many pairs of 2**21 points are closer
    than 2**-7 in every coordinate, on the torus.  Poisson's, too.

P-values are those of so many or more, doubled.
"""

import numpy as np
from numba import njit
from scipy import stats

SEED = 20261126
_TUPLE, _BITS = 8, 5  # words, and bits of each
_BUCKETS = 128  # of each of the first three coordinates of a point


def of_many(count, mean):
    """The two-sided p-value of a count that is Poisson's."""
    upper, lower = stats.poisson.sf(count - 1, mean), stats.poisson.cdf(count, mean)
    return min(1.0, 2 * min(upper, lower))


@njit
def tuples_of(numbers, out):
    """Overlapping tuples of the top bits of 1-D numbers, as integers."""
    value, mask = np.uint64(0), np.uint64(2 ** (_TUPLE * _BITS) - 1)
    for i in range(numbers.size):
        value = (
            (value << np.uint64(_BITS)) | np.uint64(numbers[i] >> np.uint32(32 - _BITS))
        ) & mask
        if i >= _TUPLE - 1:
            out[i - (_TUPLE - 1)] = value


def collisions_of(tuples):
    """How many have come before."""
    ordered = np.sort(tuples)
    return int(np.count_nonzero(ordered[1:] == ordered[:-1]))


def expected_collisions(count):
    cells = 2.0 ** (_TUPLE * _BITS)
    return count - cells * -np.expm1(count * np.log1p(-1.0 / cells))


def collisions(source):
    rows, positions = np.arange(2**18), np.arange(32)
    words = source(SEED, 3, rows, positions)
    tuples = np.empty(words.size - _TUPLE + 1, np.uint64)
    tuples_of(words.reshape(-1), tuples)
    yield "collisions: words", of_many(collisions_of(tuples), expected_collisions(tuples.size))
    differences = np.diff(words[: 2**16], axis=1)
    parts = np.empty((len(differences), differences.shape[1] - _TUPLE + 1), np.uint64)
    for row, out in zip(differences, parts, strict=True):
        tuples_of(row, out)
    found = collisions_of(parts.reshape(-1))
    yield "collisions: differences", of_many(found, expected_collisions(parts.size))


@njit
def close_pairs_of(points, starts, width):
    """How many pairs of points differ by less than `width` in every coordinate, modulo 2**32.

    Points are sorted by buckets of their first three coordinates, no narrower than `width`.
    """
    pairs = 0
    for bucket in range(_BUCKETS**3):
        first, last = starts[bucket], starts[bucket + 1]
        if first == last:
            continue
        x, y, z = bucket // _BUCKETS**2, bucket // _BUCKETS % _BUCKETS, bucket % _BUCKETS
        for neighbour in range(27):
            across = (x + neighbour // 9 - 1) % _BUCKETS
            down = (y + neighbour // 3 % 3 - 1) % _BUCKETS
            other = (across * _BUCKETS + down) * _BUCKETS + (z + neighbour % 3 - 1) % _BUCKETS
            for i in range(first, last):
                for j in range(max(i + 1, starts[other]), starts[other + 1]):
                    pairs += are_close(points[i], points[j], width)
    return pairs


@njit
def are_close(one, other, width):
    for d in range(one.size):
        apart = np.uint32(one[d] - other[d])
        if apart >= width and np.uint32(-apart) >= width:
            return False
    return True


def close_pairs(source):
    points = source(SEED, 4, np.arange(2**19), np.arange(32)).reshape(-1, _TUPLE)
    bucket = np.zeros(len(points), np.uint32)
    for d in range(3):
        bucket = bucket * np.uint32(_BUCKETS) + (points[:, d] >> np.uint32(25))
    order = np.argsort(bucket, kind="stable")
    starts = np.searchsorted(bucket[order], np.arange(_BUCKETS**3 + 1, dtype=np.uint32))
    found = close_pairs_of(points[order], starts, np.uint32(2**25))
    mean = len(points) * (len(points) - 1) / 2 * 2.0 ** (-6 * _TUPLE)
    yield "close pairs", of_many(found, mean)


GROUPS = {"collisions": collisions, "close pairs": close_pairs}
