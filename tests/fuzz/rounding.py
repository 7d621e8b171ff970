"""Cases of rounding: numbers of any bits into one format."""

import numpy as np

import lowprec as lp
from tests import naive, naive_arrays
from tests.fuzz.checks import check
from tests.fuzz.inputs import floats_of_any_bits, layouts, pick


def same(found, expected):
    """Equal bits, but for NaN, which is any NaN."""
    words = np.dtype(f"u{found.dtype.itemsize}")
    one, other = found.astype(np.float64), expected.astype(np.float64)
    undefined = np.isnan(one) & np.isnan(other)
    return (undefined | (found.view(words) == expected.view(words))).all()


def case_of_rounding(rng, around):
    name = pick(rng, list(naive.FORMATS))
    size = int(rng.integers(1, 2049 if rng.random() < 0.02 else 65))
    x = floats_of_any_bits(rng, size)
    seed = int(rng.integers(0, 2**64, dtype=np.uint64))
    given = layouts(rng, x) if rng.random() < 0.3 else x
    function = pick(rng, ["stochastic_round", "nearest_round", "round_up_probability"])
    with np.errstate(invalid="ignore", over="ignore"):
        if function == "stochastic_round":
            keys = [naive.row_key(seed, 1, 0, block) for block in range((size + 1023) // 1024)]
            found = around.run(lambda: lp.stochastic_round(given, name, seed))
            expected = naive_arrays.stochastic(x, keys, name)
        elif function == "nearest_round":
            found = around.run(lambda: lp.nearest_round(given, name))
            expected = naive_arrays.nearest(x, name)
        else:
            found = around.run(lambda: lp.round_up_probability(given, name))
            expected = naive_arrays.round_up_probability(x, name) + 0.0  # no -0.0
        check(same(found, expected), f"{function} of {name}")
