"""Lanes do what numbers do, and what they cannot do is a TypingError in words."""

import operator

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from lowprec.kernels.blocks import load, store
from lowprec.scalar.bits import fma, select, sqrt
from lowprec.scalar.lanes import sum_of_neighbours

WIDTH = 16
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38, 2, 0.5, -2, 7, 1.5, 0.1],
    np.float32,
)  # fmt: skip
COMPARISONS = ["lt", "le", "gt", "ge", "eq", "ne"]


def in_lanes(expression, *names):
    """`expression` of lanes x, y (and z) of arrays, stored as floats."""
    source = "def run(x, y, z, out):\n"
    source += "".join(f"    {n} = load({n}, 0, {WIDTH})\n" for n in names)
    source += f"    store({expression}, out, 0)\n"
    scope = {"load": load, "store": store, "select": select, "sqrt": sqrt, "fma": fma, "np": np}
    exec(source, scope)
    return njit(error_model="numpy")(scope["run"])


def run(expression, x, y, out_dtype=np.float32):
    out = np.zeros(WIDTH, out_dtype)
    in_lanes(expression, "x", "y")(x, y, x, out)
    return out


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint32])
def test_comparisons_are_those_of_numpy(name, dtype):
    symbol = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}[name]
    x = SPECIAL if dtype != np.uint32 else SPECIAL.view(np.uint32)
    x = x.astype(dtype)
    yes, no = (np.full(WIDTH, number, np.float32) for number in (1, 0))
    compare = in_lanes(f"select(x {symbol} y, np.float32(1), np.float32(0))", "x", "y")
    for shift in range(WIDTH):
        y = np.roll(x, shift)
        out = np.zeros(WIDTH, np.float32)
        compare(x, y, x, out)
        expected = np.where(getattr(operator, name)(x, y), yes, no)
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("expression", ["-x", "abs(x)", "x + y", "x - y", "x * y", "x / y"])
def test_arithmetic_is_that_of_numpy(expression):
    y = SPECIAL[::-1].copy()
    with np.errstate(all="ignore"):
        expected = eval(expression, {"x": SPECIAL, "y": y})
    found = run(expression, SPECIAL, y)
    number = ~np.isnan(expected)
    assert (np.isnan(found) == ~number).all()
    assert found[number].tobytes() == expected[number].tobytes()


def test_roots_and_fma_in_both_precisions():
    for dtype in (np.float32, np.float64):
        x = np.arange(1, WIDTH + 1).astype(dtype) / 3
        np.testing.assert_array_equal(run("sqrt(x)", x, x, dtype), np.sqrt(x))
    # x * x has no rounding of its own: what is left of it beside its rounded value
    x = np.full(WIDTH, 1 + 2.0**-23, np.float32)
    np.testing.assert_array_equal(run("fma(x, x, -(x * x))", x, x), np.float32(2.0**-46))

    @njit
    def mixed(x, y, z):
        return fma(x, y, z)

    assert mixed(np.float32(-0.1), np.float64(1), np.float64(0)) == -np.float64(np.float32(0.1))


@pytest.mark.parametrize(
    ("expression", "x", "message"),
    [
        ("x & y", np.float32, "lanes of float32 have no and_"),
        ("x << y", np.float32, "lanes of float32 have no lshift"),
        ("x / y", np.uint32, "lanes of uint32 have no truediv"),
        ("-x", np.uint32, "lanes of uint32 have no neg"),
        ("x + np.float64(1)", np.float32, "numbers among lanes must have their dtype, float32"),
        ("x * 2", np.float32, "numbers among lanes must have their dtype"),
        ("(x < y) < y", np.float32, "numbers among lanes must have their dtype"),
        ("x % y", np.float32, "No implementation of function"),
        ("x ** y", np.float32, "No implementation of function"),
    ],
)
def test_what_lanes_cannot_do(expression, x, message):
    x = np.ones(WIDTH, x)
    with pytest.raises(TypingError, match=message):
        run(expression, x, x, x.dtype)


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_sums_of_neighbours_are_added_in_halves(count):
    x = np.random.default_rng(count).normal(size=WIDTH).astype(np.float32)
    source = (
        f"def run(x, out):\n    store(sum_of_neighbours(load(x, 0, {WIDTH}), {count}), out, 0)\n"
    )
    scope = {"load": load, "store": store, "sum_of_neighbours": sum_of_neighbours}
    exec(source, scope)
    found = np.zeros(WIDTH, np.float32)
    njit(scope["run"])(x, found)
    total = x.reshape(-1, count)
    while total.shape[1] > 1:
        half = total.shape[1] // 2
        total = total[:, :half] + total[:, half:]
    np.testing.assert_array_equal(found, np.repeat(total[:, 0], count))
