"""Encoding of columns, one value after the other: slow, obvious, and of nothing but Python.

A frame is a dict of lists of Python objects; None and NaN are missing.
"""

import datetime as dt
import math
from collections import Counter
from decimal import Decimal, localcontext

MASK = 2**64 - 1
EPOCH = dt.datetime(1970, 1, 1)
MICROSECOND = dt.timedelta(microseconds=1)


def mix(z):
    for _ in range(2):
        z = ((z ^ (z >> 32)) * 0xD6E8FEB86659FD93) & MASK
    return z ^ (z >> 32)


def derive(key, value):
    return mix((key + (value + 1) * 0x9E3779B97F4A7C15) & MASK)


START = int.from_bytes(b"values", "big") * 2**16 + 1


def is_missing(value):
    return value is None or value != value


def bits(x):
    """The bits of a float64, from its sign, exponent and digits."""
    if math.isinf(x):
        return (0x7FF0 << 48) | ((x < 0) << 63)
    digits, exponent = math.frexp(abs(x))
    if exponent < -1021:
        return int(abs(x) / 2.0**-1074) | ((x < 0) << 63)
    return (int(digits * 2**53) - 2**52) | ((exponent + 1022) << 52) | ((x < 0) << 63)


def meaning_and_word(value):
    if isinstance(value, dt.datetime):
        offset = value.utcoffset() or dt.timedelta(0)
        return 4, (value.replace(tzinfo=None) - offset - EPOCH) // MICROSECOND
    if isinstance(value, dt.date):
        return 4, (dt.datetime(value.year, value.month, value.day) - EPOCH) // MICROSECOND
    if isinstance(value, dt.timedelta):
        return 5, value // MICROSECOND
    if isinstance(value, dt.time):
        midnight = dt.datetime.combine(EPOCH.date(), value) - EPOCH
        return 6, midnight // MICROSECOND
    if math.isfinite(value) and value == int(value) and -(2**63) <= value < 2**64:
        return (1 if value < 2**63 else 2), int(value)
    return 3, bits(float(value))


def key(value):
    """The value hash, version 1."""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        found = derive(derive(START, 0), len(value))
        for place in range(0, len(value), 8):
            found = derive(found, int.from_bytes(value[place : place + 8], "little"))
        return found
    meaning, word = meaning_and_word(value)
    return derive(derive(START, meaning), word & MASK)


def learned(values, min_count=1):
    """{key: row}"""
    counts = Counter(key(value) for value in values if not is_missing(value))
    kept = [each for each in counts if counts[each] >= min_count]
    kept.sort(key=lambda each: (-counts[each], each))
    return {each: row for row, each in enumerate(kept, 1)}


def hashed_row(value, column, buckets):
    high = derive(key(column), key(value)) >> 32
    return 1 + ((high * (buckets - 1)) >> 32)


def as_number(value):
    if isinstance(value, dt.date | dt.timedelta | dt.time):
        return meaning_and_word(value)[1] / 1e6
    return float(value) if isinstance(value, Decimal) else value


def numbers(values):
    return [float(as_number(value)) for value in values if not is_missing(value)]


def edges(values, bins):
    """Where bins begin, but for the first one."""
    counts = Counter(numbers(values))
    different = sorted(counts)
    if len(different) <= bins:
        return different[1:]
    own, left, others = set(), bins, sum(counts.values())
    while True:
        heavy = {x for x in different if x not in own and counts[x] * left >= others}
        if not heavy:
            break
        own |= heavy
        left, others = bins - len(own), sum(counts[x] for x in different if x not in own)
    begins, seen, last_part, last_own = [], 0, 0, False
    for place, x in enumerate(different):
        part = seen * left // max(1, others)
        if place and (part > last_part or x in own or last_own):
            begins.append(x)
        last_part, last_own = part, x in own
        if x not in own:
            seen += counts[x]
    return begins


def moments(found):
    """Mean and deviation, to 60 digits, of numbers of any size."""
    with localcontext() as context:
        context.prec = 60
        exact = [Decimal(x) for x in found]
        mean = sum(exact) / len(exact)
        return mean, (sum((x - mean) ** 2 for x in exact) / len(exact)).sqrt()


def scaled(values):
    """A function from a number to its dense feature, and how far float64 may be from that."""
    found, change = numbers(values), lambda x: x
    mean, deviation = moments(found or [0.0])
    if deviation and max(abs(Decimal(x) - mean) for x in found) > 10 * deviation:
        change = lambda x: math.copysign(math.log1p(abs(x)), x)
        mean, deviation = moments([change(x) for x in found])

    def dense(value):
        distance = (Decimal(change(float(as_number(value)))) - mean) / (deviation or 1)
        return min(max(float(distance), -10.0), 10.0)

    largest = max((abs(change(x)) for x in found), default=0.0)
    return dense, float(Decimal(largest) * Decimal(2) ** -50 / (deviation or 1))
