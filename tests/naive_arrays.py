"""The oracles of `naive` for whole rows at once, where millions of numbers are to be compared.

float64 holds every product and sum below exactly, or is rounded to odd, after which rounding to
float32 is as if from the exact number (Boldo and Melquiond, 2008).  `tests/fuzz/test_fuzz.py`
compares them with those in rational arithmetic.
"""

import numpy as np

from tests import naive

U32 = np.uint32


def fma(x, y, z):
    """float32 x * y + z, rounded once, of float32 arrays."""
    product, z = np.multiply(x, y, dtype=np.float64), np.asarray(z, np.float64)
    total = np.atleast_1d(product + z)
    rest = total - product
    error = (product - (total - rest)) + (z - rest)
    bits = total.view(np.int64)
    between = np.isfinite(total) & (error != 0) & (bits & 1 == 0)
    outwards = (error > 0) == (total > 0)
    odd = (bits + np.where(between, np.where(outwards, 1, -1), 0)).view(np.float64)
    return odd.astype(np.float32).reshape(np.shape(product + z))


def words(key, positions):
    """The random words at `positions` (uint32) under a key."""
    x = U32(key & naive.M32) + positions * U32(key >> 32 | 1)
    x ^= x << U32(13)
    x ^= x >> U32(17)
    x ^= x << U32(5)
    x = (x + U32(key >> 32)) * U32(0x2C1B3C6D)
    return x ^ (x >> U32(16))


def draws(key, columns, bits):
    """The random bits of columns 0 to `columns` - 1."""
    places = np.arange(columns, dtype=U32)
    if bits > 16:
        return words(key, places) >> U32(32 - bits)
    halves = words(key, places >> U32(1)) >> (places % U32(2) * U32(16)) & U32(0xFFFF)
    return halves >> U32(16 - bits)


def store(x, key, name, rounding):
    """A row of float32 numbers as a table stores it under the key of the row."""
    if name == "float32":
        return x
    return nearest(x, name) if rounding == "nearest" else stochastic(x, [key], name)


def stochastic(x, keys, name):
    """1-D float32 x, 1024 numbers a key, at random into a format."""
    dtype, _, _, mantissa_bits, _ = naive.FORMATS[name]
    bits = 23 - mantissa_bits
    drawn = np.concatenate([draws(key, min(1024, x.size), bits) for key in keys])[: x.size]
    finite = np.isfinite(x)
    units, unit = naive.in_draws(np.where(finite, x, 0), name)
    magnitude = (np.rint(units) + drawn) // 2**bits * 2**bits * unit
    out = np.copysign(np.where(finite, magnitude, np.abs(x)), x)
    return out.astype(np.float32).astype(dtype)


def nearest(x, name):
    """float32 x to nearest, saturating."""
    dtype, _, _, _, largest = naive.FORMATS[name]
    limit = np.float32(float(largest))
    return np.where(np.isfinite(x), np.clip(x, -limit, limit), x).astype(dtype)


def round_up_probability(x, name):
    """The share of draws with which each x goes to its neighbour towards +inf."""
    _, _, _, mantissa_bits, largest = naive.FORMATS[name]
    draws_of = 2.0 ** (23 - mantissa_bits)
    finite = np.where(np.isfinite(x), x, 0)
    units, _ = naive.in_draws(finite, name)
    beyond = np.abs(finite.astype(np.float64)) > float(largest)
    outward = np.where(beyond, 0.0, np.rint(units) / draws_of - units // draws_of)
    moves = beyond | (units % draws_of != 0)
    return np.where(moves, np.where(x > 0, outward, 1 - outward), 0.0)


def rows_and_bags(offsets_of_tables, indices, offsets, merged):
    """The row and the bag of each position; so many bags in a row are one."""
    features, flat = len(offsets_of_tables) - 1, np.reshape(indices, -1).astype(np.int64)
    bags = np.arange(flat.size)
    if offsets is not None:
        bags = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return offsets_of_tables[bags % features] + flat, bags // merged


def lookup(table, indices, offsets=None, pooling="sum", weights=None, merged=1):
    """Float32 (bags, dim)."""
    rows, bags = rows_and_bags(table.row_offsets, indices, offsets, merged)
    if offsets is None and weights is None and merged == 1:
        return table.weight[rows].astype(np.float32)  # no sum with 0.0: a -0.0 stays
    count = (rows.size if offsets is None else len(offsets) - 1) // merged
    out = np.zeros((count, table.embedding_dim), np.float32)
    factors = np.ones(rows.size, np.float32) if weights is None else np.reshape(weights, -1)
    for row, bag, factor in zip(rows, bags, factors, strict=True):
        out[bag] = fma(factor, table.weight[row].astype(np.float32), out[bag])
    sizes = np.bincount(bags, minlength=count)
    if pooling == "mean" and (offsets is not None or merged > 1):
        out /= np.maximum(sizes, 1).astype(np.float32)[:, None]
    return out


def update(table, rate, indices, grad, offsets=None, pooling="sum", weights=None, merged=1):
    """What `table.weight` becomes with SGD; bags are of fewer than 129 equal ids."""
    new, grad = table.weight.copy(), grad.reshape(-1, table.embedding_dim)
    rows, bags = rows_and_bags(table.row_offsets, indices, offsets, merged)
    factors = np.ones(rows.size, np.float32) if weights is None else np.reshape(weights, -1)
    if pooling == "mean" and (offsets is not None or merged > 1):
        factors = factors / np.bincount(bags)[bags].astype(np.float32)
    for row in np.unique(rows):
        total = np.zeros(table.embedding_dim, np.float32)
        for place in np.flatnonzero(rows == row):
            total = fma(factors[place], grad[bags[place]], total)
        stepped = fma(np.float32(-rate), total, new[row].astype(np.float32))
        key = naive.row_key(table.seed, 0, table.step, int(row))
        new[row] = store(stepped, key, table.dtype.name, table.rounding)
    return new
