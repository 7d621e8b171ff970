"""Slow, obvious versions of what lowprec computes, from the documentation alone.

Exact rational arithmetic and Python integers; nothing here is imported from the library.
"""

from fractions import Fraction

import ml_dtypes
import numpy as np

# name: (dtype, words, exponent bits, mantissa bits, largest finite)
FORMATS = {
    "float16": (np.float16, np.uint16, 5, 10, 65504),
    "bfloat16": (ml_dtypes.bfloat16, np.uint16, 8, 7, Fraction(2) ** 128 - Fraction(2) ** 120),
    "float8_e4m3fn": (ml_dtypes.float8_e4m3fn, np.uint8, 4, 3, 448),
    "float8_e5m2": (ml_dtypes.float8_e5m2, np.uint8, 5, 2, 57344),
    "float8_e3m4": (ml_dtypes.float8_e3m4, np.uint8, 3, 4, Fraction(31, 2)),
}


# --- float32 ---


def round_to_float32(x):
    """The float32 nearest to a Fraction, ties to even."""
    if x == 0:
        return np.float32(0.0)
    return np.float32(float(round(x / ulp(x, 8, 23)) * ulp(x, 8, 23)))


def ulp(x, exponent_bits, mantissa_bits):
    """The distance between neighbours around Fraction x != 0 in a format."""
    magnitude, exponent = abs(x), 0
    while magnitude >= 2:
        magnitude, exponent = magnitude / 2, exponent + 1
    while magnitude < 1:
        magnitude, exponent = magnitude * 2, exponent - 1
    min_exponent = 2 - 2 ** (exponent_bits - 1)
    return Fraction(2) ** (max(exponent, min_exponent) - mantissa_bits)


def fma(x, y, z):
    """float32 x * y + z, rounded once."""
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
    if exact == 0:
        return np.float32(x * y + z)  # exact here; gives zero its sign
    return round_to_float32(exact)


# --- rounding ---


def round_stochastic(x, draw, name):
    """Finite float32 x rounded into a format with the integer `draw` of its random bits."""
    dtype, _, exponent_bits, mantissa_bits, largest = FORMATS[name]
    draws = 2 ** (23 - mantissa_bits)
    exact = min(abs(Fraction(float(x))), Fraction(largest))
    if exact == 0:
        return np.array(x).astype(dtype)[()]
    spacing = ulp(exact, exponent_bits, mantissa_bits)
    in_draws = round(exact / spacing * draws)  # an integer already, except for tiny numbers
    rounded = (in_draws + draw) // draws * spacing
    return np.copysign(np.float64(float(rounded)), x).astype(dtype)


def round_up_probability(x, name):
    """The share of draws with which x goes to its neighbour towards +inf."""
    _, _, exponent_bits, mantissa_bits, largest = FORMATS[name]
    draws = 2 ** (23 - mantissa_bits)
    exact = abs(Fraction(float(x)))
    if exact == 0:
        return 0.0
    clamped = min(exact, Fraction(largest))
    spacing = ulp(clamped, exponent_bits, mantissa_bits)
    if exact == clamped and (exact / spacing).denominator == 1:
        return 0.0
    below = exact // spacing
    outward = Fraction(round(clamped / spacing * draws), draws) - below if exact == clamped else 0
    return float(outward if x > 0 else 1 - outward)


def round_nearest(x, name):
    """Finite float32 x rounded to nearest, saturating."""
    dtype, _, _, _, largest = FORMATS[name]
    return np.clip(np.float32(x), np.float32(-float(largest)), np.float32(float(largest))).astype(
        dtype
    )


# --- the generator KWX32 ---

M32, M64 = 2**32 - 1, 2**64 - 1


def mix64(z):
    for _ in range(2):
        z = (z ^ (z >> 32)) * 0xD6E8FEB86659FD93 & M64
    return z ^ (z >> 32)


def derive(key, value):
    return mix64((key + (value + 1) * 0x9E3779B97F4A7C15) & M64)


def word(key, position):
    x = (key + position * (key >> 32 | 1)) & M32
    x ^= x << 13 & M32
    x ^= x >> 17
    x ^= x << 5 & M32
    x = (x + (key >> 32)) * 0x2C1B3C6D & M32
    return x ^ (x >> 16)


def row_key(seed, stream, step, row):
    return derive(derive(derive(mix64(seed), stream), step), row)


def state_key(key, state):
    """The key of an optimizer's state, from that of its row."""
    first = 2**32 - 2 - 2 * state
    return word(key, first) | word(key, first + 1) << 32


def draw(key, column, bits):
    if bits <= 16:
        half = word(key, column // 2) >> (16 * (column % 2)) & 0xFFFF
        return half >> (16 - bits)
    return word(key, column) >> (32 - bits)


# --- tables ---


def global_row(table, feature, index):
    return int(table.row_offsets[feature]) + int(index)


def entries(table, indices, offsets):
    """(row, bag, position) of every id of a batch."""
    features = len(table.row_offsets) - 1
    if offsets is None:
        for position, index in enumerate(np.reshape(indices, -1)):
            yield global_row(table, position % features, index), position, position
    else:
        for bag in range(len(offsets) - 1):
            for position in range(offsets[bag], offsets[bag + 1]):
                yield global_row(table, bag % features, indices[position]), bag, position


def coefficient(position, bag, offsets, pooling, weights):
    weight = np.float32(1.0) if weights is None else np.reshape(weights, -1)[position]
    if offsets is None or pooling == "sum":
        return weight
    return np.float32(weight / np.float32(offsets[bag + 1] - offsets[bag]))


def lookup(table, indices, offsets=None, pooling="sum", weights=None):
    """Float32 (bags, dim)."""
    bags = np.size(indices) if offsets is None else len(offsets) - 1
    out = np.zeros((bags, table.embedding_dim), np.float32)
    for row, bag, position in entries(table, indices, offsets):
        weight = np.float32(1.0) if weights is None else np.reshape(weights, -1)[position]
        for c in range(table.embedding_dim):
            out[bag, c] = fma(weight, np.float32(table.weight[row, c]), out[bag, c])
    if offsets is not None and pooling == "mean":
        out /= np.maximum(np.diff(offsets), 1).astype(np.float32)[:, None]
    return out


def update(table, learning_rate, indices, grad, offsets=None, pooling="sum", weights=None):
    """What `table.weight` becomes with SGD; the table itself is left alone."""
    new = table.weight.copy()
    for row, gradient in row_gradients(table, indices, grad, offsets, pooling, weights).items():
        descend(table, new, row, np.float32(learning_rate), gradient)
    return new


def descend(table, new, row, rate, gradient):
    """Step a row of `new` by -rate * gradient, as SGD does."""
    key = row_key(table.seed, 0, table.step, row)
    for c, value in enumerate(gradient):
        stepped = fma(np.float32(-rate), value, np.float32(new[row, c]))
        new[row, c] = store(stepped, key, c, table.dtype.name, table.rounding)


def row_gradients(table, indices, grad, offsets=None, pooling="sum", weights=None):
    """{row: [float32 of each column]}: the summed gradients of a batch."""
    grad, terms = grad.reshape(-1, table.embedding_dim), {}
    for row, bag, position in entries(table, indices, offsets):
        factor = coefficient(position, bag, offsets, pooling, weights)
        terms.setdefault(row, []).append((factor, grad[bag]))
    return {
        row: [
            sum_in_pieces([(factor, g[c]) for factor, g in of_row])
            for c in range(table.embedding_dim)
        ]
        for row, of_row in terms.items()
    }


def sum_of_squares(gradient):
    """Of a row: 16 sums of every 16th square, which are added in pairs."""
    chains = [np.float32(0.0)] * 16
    for c, value in enumerate(gradient):
        chains[c % 16] = fma(value, value, chains[c % 16])
    while len(chains) > 1:
        half = len(chains) // 2
        chains = [np.float32(chains[i] + chains[half + i]) for i in range(half)]
    return chains[0]


def mean_square(gradient):
    return np.float32(sum_of_squares(gradient) / np.float32(len(gradient)))


def row_wise_adagrad(table, sums, rate, eps, *batch, **how):
    """(weights, sums) after an update with row-wise Adagrad; `sums` (rows, 1) are those before."""
    new, new_sums = table.weight.copy(), sums.copy()
    for row, gradient in row_gradients(table, *batch, **how).items():
        new_sums[row, 0] = np.float32(sums[row, 0] + mean_square(gradient))
        root = np.float32(np.sqrt(new_sums[row, 0])) + np.float32(eps)
        descend(table, new, row, np.float32(np.float32(rate) / root), gradient)
    return new, new_sums


def sum_in_pieces(terms, piece=128):
    """Pieces of 128 terms are summed from zero in order; then the pieces, if more than one."""
    sums = []
    for start in range(0, len(terms), piece):
        total = np.float32(0.0)
        for factor, value in terms[start : start + piece]:
            total = fma(factor, value, total)
        sums.append(total)
    if len(sums) == 1:
        return sums[0]
    total = np.float32(0.0)
    for partial in sums:
        total = np.float32(total + partial)
    return total


def store(x, key, column, name, rounding):
    if name == "float32":
        return x
    if rounding == "nearest":
        return round_nearest(x, name)
    return round_stochastic(x, draw(key, column, 23 - FORMATS[name][3]), name)


# --- rounding of arrays, in float64, where every step below is exact ---


def in_draws(x, name):
    """(|x| in units of one draw, that unit): float64 arrays, for finite float32 x, saturated."""
    _, _, exponent_bits, _, largest = FORMATS[name]
    magnitude = np.minimum(np.abs(np.asarray(x, np.float64)), float(largest))
    min_exponent = 2 - 2 ** (exponent_bits - 1)
    exponent = np.maximum(np.frexp(magnitude)[1] - 1, min_exponent)
    exponent = np.where(magnitude == 0, min_exponent, exponent)
    unit = np.ldexp(1.0, exponent - 23)
    return magnitude / unit, unit


def stochastic_round(x, name, seed):
    """What the public function gives for any float32 array: NaN and inf too."""
    dtype, _, _, mantissa_bits, _ = FORMATS[name]
    bits = 23 - mantissa_bits
    flat = np.asarray(x, np.float32).reshape(-1)
    keys = [row_key(seed, 1, 0, block) for block in range((flat.size + 1023) // 1024)]
    draws = [draw(keys[i // 1024], i % 1024, bits) for i in range(flat.size)]
    finite = np.isfinite(flat)
    units, unit = in_draws(np.where(finite, flat, 0), name)
    magnitude = (np.rint(units) + draws) // 2**bits * 2**bits * unit
    out = np.copysign(np.where(finite, magnitude, np.abs(flat)), flat)
    return out.astype(np.float32).astype(dtype).reshape(np.shape(x))
