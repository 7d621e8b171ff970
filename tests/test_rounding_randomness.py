"""The public rounding functions: their randomness."""

import doctest

import numba
import numpy as np
import pytest
from scipy import stats

import lowprec as lp
from lowprec.formats.entries import FORMATS
from tests import naive
from tests.words import bits, every_dtype, floats


def test_bits_are_a_function_of_seed_and_index():
    x = np.full(3000, 1 + 2.0**-11, np.float32)
    first, again, other = (lp.stochastic_round(x, "float16", seed=s) for s in (1, 1, 2))
    assert bits(first) == bits(again) != bits(other)
    assert bits(lp.stochastic_round(x[:1500], "float16", seed=1)) == bits(first[:1500])
    assert bits(lp.stochastic_round(x.reshape(30, 100), "float16", seed=1)) == bits(first)
    assert bits(lp.stochastic_round(x, "float16")) == bits(lp.stochastic_round(x, "float16", 0))
    assert bits(lp.stochastic_round(x, "float16", np.uint64(2**64 - 1))) == bits(
        lp.stochastic_round(x, "float16", seed=2**64 - 1)
    )


@every_dtype
def test_bits_do_not_depend_on_threads(dtype):
    x = floats(50_000)
    before = numba.get_num_threads()
    results = set()
    for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(threads)
        results.add(
            bits(lp.stochastic_round(x, dtype, seed=3))
            + bits(lp.nearest_round(x, dtype))
            + bits(lp.round_up_probability(x, dtype))
        )
    numba.set_num_threads(before)
    assert len(results) == 1


@every_dtype
def test_the_mean_is_the_number(dtype):
    """256 numbers, normal and subnormal, 2**13 times each: round-ups against their probability.

    The seed is fixed; with random ones each of the two asserts would fail one time in a million.
    """
    fmt = naive.FORMATS[dtype]
    min_normal = 2.0 ** (2 - 2 ** (fmt[2] - 1))
    rng = np.random.default_rng(6)
    exponents = rng.uniform(-fmt[3], np.log2(float(fmt[4]) / min_normal), 256)
    numbers = (min_normal * 2.0**exponents * rng.choice([-1, 1], 256)).astype(np.float32)
    copies = 2**13
    rounded = lp.stochastic_round(np.tile(numbers, copies), dtype, seed=12).astype(np.float64)
    rounded = rounded.reshape(copies, numbers.size)
    p = lp.round_up_probability(numbers, dtype)
    ups = (rounded > numbers.astype(np.float64)).sum(0)
    moving = (p > 0) & (p < 1)
    assert moving.sum() > 240
    z = (ups - copies * p)[moving] / np.sqrt(copies * p * (1 - p))[moving]
    assert abs(z.sum() / np.sqrt(z.size)) < stats.norm.isf(0.5e-6)
    # The squares sum to a chi-square, nearly: some p are small and their z are skewed.
    likely = np.minimum(p, 1 - p)[moving] * copies > 50
    assert (z[likely] ** 2).sum() < stats.chi2.isf(1e-6, likely.sum())


def test_the_examples_of_the_page(root):
    page = root / "docs" / "rounding.md"
    results = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert results.attempted > 5
    assert results.failed == 0


def power_of_two(text):
    return 2.0 ** int(text.removeprefix("2^")) if text.startswith("2^") else 0.0


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("row", ["the mean is off by at most", "always become 0: sizes up to"])
def test_the_bounds_of_the_page(root, fmt, row):
    """What the page says of each format, computed; public functions, at that size and beyond."""
    text = (root / "docs" / "rounding.md").read_text()
    cells = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
        for line in text.split("- **Subnormal results.**")[1].splitlines()
        if line.startswith("  |")
    }
    told = power_of_two(cells[row][cells[""].index(fmt.name)])
    assert told == fmt.bias_bound
    x = np.array([told, np.nextafter(np.float32(told), np.float32(1))], np.float32)
    draws = 2**fmt.random_bits
    assert (lp.round_up_probability(x, fmt.name) * draws).tolist() == [0.0, 1.0]
    assert (lp.round_up_probability(-x, fmt.name) * draws).tolist() == [
        draws if told else 0.0, draws - 1.0,
    ]  # fmt: skip
    many = np.full(4096, told, np.float32)
    for seed in range(4):
        assert not lp.stochastic_round(many, fmt.name, seed).astype(np.float32).any()


def test_the_bounds_of_the_docstring():
    """The numbers that it names are those of the formats."""
    text = " ".join(lp.stochastic_round.__doc__.split())
    told = text.split("always become 0: ")[1].split(", and 0 for bfloat16")[0]
    found = {}
    for part in told.split(", "):
        power, names = part.split(" for ")
        for name in names.replace("`", "").split(" and "):
            found[name] = power_of_two(power.replace("**", "^"))
    assert found | {"bfloat16": 0.0} == {fmt.name: fmt.bias_bound for fmt in FORMATS}


def test_small_updates_add_up():
    """The first example of docs/rounding.md, with its exact mean: 1 - 256 * 2**-14."""
    nearest = stochastic = np.ones(10_000, np.float16)
    for step in range(256):
        nearest = lp.nearest_round(nearest.astype(np.float32) - np.float32(2**-14), "float16")
        stepped = stochastic.astype(np.float32) - np.float32(2**-14)
        stochastic = lp.stochastic_round(stepped, "float16", seed=step)
    assert (nearest == 1.0).all()
    error = abs(stochastic.mean(dtype=np.float64) - 0.984375)
    assert error < 5 * stochastic.std(dtype=np.float64) / 100  # false alarms: 6e-7
