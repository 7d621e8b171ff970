"""A battery of statistical tests for generators of keyed 32-bit words.

What is measured, with the bits that rounding uses (a word is two columns: bits 0-15 the even one,
bits 16-31 the odd one; float16 takes the top 13 bits of a half-word, bfloat16 all 16, the 8-bit
formats the top 20 or 21 bits of a whole word):

uniform
    Each of the 2**13 draws and 2**16 half-words, even and odd, comes equally often: chi-square on
    2**20 words spread over rows and positions, over rows alone, positions alone, steps alone and
    seeds alone.
pairs
    Words a given distance apart, in position, row, step, seed or two of them at once, are
    independent: chi-square of 64 x 64 cells on 2**20 disjoint pairs, for six pairs of 6-bit
    fields.  Distances are neighbouring, small and powers of two; rows also come from far strides.
bits
    No two bits of the 32 words of a row go together: the largest of the correlations of all
    1024 * 1023 / 2 pairs of bits over 2**14 rows, its p-value multiplied by the number of pairs.
sums
    The number of round-ups in a row of 128 columns, and of one weight in 128 steps, has the
    variance of the binomial distribution, for six fractions and 2**15 sums: z-test.

collisions, close pairs
    See `tests.scalar.tuples`.

Every p-value is two-sided, so a generator that is too even fails too.  A test fails below
`THRESHOLD` = 1e-8; there are fewer than 1000 tests, so an ideal generator with random seeds would
fail the battery with a probability below 1e-5.  The seeds are fixed: the outcome never changes.
"""

import numpy as np
from numba import njit
from scipy import special, stats

from tests.scalar import tuples

THRESHOLD = 1e-8
SEED = 20240607

# (first bit, of the left word; first bit, of the right word) of the 6-bit fields that are compared.
FIELDS = {
    "even top": (10, 10),
    "odd top": (26, 26),
    "even top, odd top": (10, 26),
    "even low": (0, 0),
    "odd low": (16, 16),
    "even bits 3-8": (3, 3),  # the lowest of a 13-bit draw
}
_SHIFTS = np.array(list(FIELDS.values()), np.uint32)


def make_source(key, word):
    """A function (seeds, steps, rows, positions) -> words, of njit `key` and `word`.

    The first three are arrays of one length n, or numbers that stand for n equal ones; the result
    is (n, number of positions).
    """

    @njit
    def fill(seeds, steps, rows, positions, out):
        for i in range(out.shape[0]):
            k = key(seeds[i], steps[i], rows[i])
            low, high = np.uint32(k & np.uint64(0xFFFFFFFF)), np.uint32(k >> np.uint64(32))
            for p in range(positions.size):
                out[i, p] = word(low, high, positions[p])

    def source(seeds, steps, rows, positions):
        given = (np.asarray(a, np.uint64) for a in (seeds, steps, rows))
        keys = [np.array(a) for a in np.broadcast_arrays(*given)]
        positions = np.asarray(positions, np.uint32)
        out = np.empty((keys[0].size, positions.size), np.uint32)
        fill(*(np.ascontiguousarray(k) for k in keys), positions, out)
        return out

    return source


def failures(source):
    """{name of the test: p} of all tests that the source fails."""
    return {name: p for group in GROUPS for name, p in run(source, group) if p < THRESHOLD}


def p_value(source, name):
    """The p-value of the one test called `name`."""
    return next(p for other, p in run(source, name.split(":")[0]) if other == name)


def run(source, group):
    """Yield (name, p) of every test of a group; names start with that of the group."""
    for name, p in GROUPS[group](source):
        yield name, float(p)


def chi_square(counts, total):
    """The two-sided p-value of counts that should be equal."""
    expected = total / counts.shape[-1]
    statistic = ((counts - expected) ** 2).sum(-1) / expected
    freedom = counts.shape[-1] - 1
    upper, lower = stats.chi2.sf(statistic, freedom), stats.chi2.cdf(statistic, freedom)
    return np.minimum(1.0, 2 * np.minimum(upper, lower))


# --- uniform ---


@njit
def count_halves(words, bits, counts):
    for w in words:
        counts[0, (w & np.uint32(0xFFFF)) >> np.uint32(16 - bits)] += 1
        counts[1, w >> np.uint32(32 - bits)] += 1


def uniform(source):
    many = np.arange(2**20)
    samples = {
        "rows and positions": source(SEED, 3, np.arange(2**14), np.arange(64)),
        "rows": source(SEED, 3, many, [0]),
        "rows, position 31": source(SEED, 3, many, [31]),
        "positions": source(SEED, 3, [5], many),
        "steps": source(SEED, many, 5, [0]),
        "seeds": source(many, 3, 5, [0]),
    }
    for sample, words in samples.items():
        for bits in (13, 16):
            counts = np.zeros((2, 2**bits), np.int64)
            count_halves(words.reshape(-1), bits, counts)
            for half, p in zip(("even", "odd"), chi_square(counts, words.size), strict=True):
                yield f"uniform: {bits} bits, {half}, over {sample}", p


# --- pairs ---


@njit
def count_fields(left, right, shifts, counts):
    for i in range(left.size):
        for f in range(shifts.shape[0]):
            first = (left[i] >> shifts[f, 0]) & np.uint32(63)
            second = (right[i] >> shifts[f, 1]) & np.uint32(63)
            counts[f, np.uint32(first << np.uint32(6)) | second] += 1


def compare(left, right):
    """(field, p) of every field of words that should be independent."""
    counts = np.zeros((len(FIELDS), 4096), np.int64)
    count_fields(left.reshape(-1), right.reshape(-1), _SHIFTS, counts)
    return zip(FIELDS, chi_square(counts, left.size), strict=True)


def disjoint(count, lag):
    """The first `count` numbers i such that no i is another's i + lag."""
    i = np.arange(count, dtype=np.uint64)
    lag = np.uint64(lag)
    return i + i // lag * lag


def pairs(source):
    rows, positions = np.arange(2**14, dtype=np.uint64), np.arange(64)
    for lag in (1, 2, 3, 4, 5, 7, 8, 16, 32, 64, 128, 1024):
        here = disjoint(64, lag)
        words = source(SEED, 3, rows, here), source(SEED, 3, rows, here + np.uint64(lag))
        yield from named(f"position + {lag}", *words)
    lags = (1, 2, 3, 4, 7, 8, 16, 64, 1024, 2**14, 2**20, 2**24, 2**26, 2**28, 2**30, 2**31)
    for lag in lags:
        here = disjoint(2**14, lag)
        there = here + np.uint64(lag)
        words = source(SEED, 3, here, positions), source(SEED, 3, there, positions)
        yield from named(f"row + {lag}", *words)
    for stride in (2**6, 2**12, 2**17):
        here = rows * np.uint64(2 * stride)
        words = (source(SEED, 3, r, positions) for r in (here, here + np.uint64(stride)))
        yield from named(f"row stride {stride}", *words)
    for lag in (1, 2, 3, 16, 256, 2**16, 2**31, 2**32):
        here = disjoint(2**14, lag)
        words = (source(SEED, s, 77, positions) for s in (here, here + np.uint64(lag)))
        yield from named(f"step + {lag}", *words)
        words = (source(s, 3, 77, positions) for s in (here, here + np.uint64(lag)))
        yield from named(f"seed + {lag}", *words)
        words = (source(SEED, s, rows, positions) for s in (3, 3 + lag))
        yield from named(f"step + {lag}, all rows", *words)
        words = (source(s, 3, rows, positions) for s in (SEED, SEED + lag))
        yield from named(f"seed + {lag}, all rows", *words)
    at = source(SEED, 3, rows, positions)
    yield from named("seed + 2**63", at, source(SEED + 2**63, 3, rows, positions))
    yield from named("row + 1, step - 1", at, source(SEED, 2, rows + np.uint64(1), positions))
    yield from named("step + 1, seed - 1", at, source(SEED - 1, 4, rows, positions))
    here = disjoint(2**14, 1)
    words = source(SEED, 3, here, positions + 1), source(SEED, 3, here + np.uint64(1), positions)
    yield from named("row + 1, position - 1", *words)
    yield from named("even and odd half of a word", at, at, only="even top, odd top")


def named(name, left, right, only=None):
    for field, p in compare(left, right):
        if only in (None, field):
            yield f"pairs: {name}, {field}", p


# --- bits ---


def bits(source):
    rows, columns = 2**14, 32 * 32
    words = source(SEED, 3, np.arange(rows), np.arange(32))
    signs = np.unpackbits(words.view(np.uint8), axis=1).astype(np.float32) * 2 - 1
    correlations = signs.T @ signs  # sums of +-1, exact in float32
    largest = np.abs(correlations[np.triu_indices(columns, 1)]).max() / np.sqrt(rows)
    tests = columns * (columns - 1) / 2
    yield "bits", min(1.0, tests * special.erfc(largest / np.sqrt(2)))


# --- sums ---


@njit
def squared_deviations(words, draw_needed, mean):
    """Sum over rows of (round-ups - mean)**2; a draw of 13 bits rounds up from `draw_needed` on."""
    total = 0.0
    for row in range(words.shape[0]):
        ups = 0
        for w in words[row]:
            ups += ((w & np.uint32(0xFFFF)) >> np.uint32(3)) >= draw_needed
            ups += (w >> np.uint32(19)) >= draw_needed
        total += (ups - mean) ** 2
    return total


def sums(source):
    steps, rows = np.divmod(np.arange(2**15 * 64), 2**15)
    samples = {
        "of a row": source(SEED, 3, np.arange(2**15), np.arange(64)),
        "of steps": source(SEED, steps, rows, [0]).reshape(64, 2**15).T.copy(),
    }
    for sample, words in samples.items():
        for numerator in (4096, 2048, 819, 82, 2731, 7373):  # of 8192: 1/2, 1/4, ... 1/3, 0.9
            n, p = 2 * words.shape[1], numerator / 8192
            variance = n * p * (1 - p)
            # The fourth central moment over the variance squared, of a binomial distribution.
            kurtosis = 3 + (1 - 6 * p * (1 - p)) / variance
            mean_square = squared_deviations(words, 8192 - numerator, n * p) / len(words)
            z = (mean_square / variance - 1) / np.sqrt((kurtosis - 1) / len(words))
            yield f"sums: {sample}, {numerator}/8192", float(special.erfc(abs(z) / np.sqrt(2)))


GROUPS = {"uniform": uniform, "pairs": pairs, "bits": bits, "sums": sums, **tuples.GROUPS}
