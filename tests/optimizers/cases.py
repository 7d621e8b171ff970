"""Every optimizer of the library with its oracle, and what is compared."""

import os

import numpy as np
import pytest

import lowprec as lp
from tests import naive_optimizers
from tests.devices import DEVICE, host
from tests.tables.small import DTYPES, bits

SIZES = (5, 3, 4)
FALLING = lp.schedules.InverseTime(0.4, decay=0.5)
# each with its oracle: first all of the library, then what is done before the rules
CASES = {
    "SGD": (lp.SGD(0.3), naive_optimizers.SGD),
    "momentum": (lp.SGD(0.3, momentum=0.75), naive_optimizers.MOMENTUM),
    "Adagrad": (lp.Adagrad(0.3, eps=1e-4, initial_accumulator=0.25), naive_optimizers.ADAGRAD),
    "Adam": (lp.Adam(0.05, beta1=0.8, beta2=0.99, eps=1e-6), naive_optimizers.ADAM),
    "FTRL": (lp.FTRL(0.3, beta=0.5, l1=0.25, l2=0.125), naive_optimizers.FTRL),
    "LAMB": (lp.LAMB(0.05, beta1=0.8, beta2=0.99), naive_optimizers.LAMB),
    "RowWiseAdagrad": (lp.RowWiseAdagrad(0.1), naive_optimizers.ROW_WISE_ADAGRAD),
    "RowWiseAdagrad, all": (
        lp.RowWiseAdagrad(0.2, clip_norm=0.5, weight_decay=0.5, decay="catch_up"),
        naive_optimizers.ROW_WISE_ADAGRAD,
    ),
    "SGD, catching up": (
        lp.SGD(FALLING, weight_decay=0.75, decay="catch_up"), naive_optimizers.SGD,
    ),
    "LAMB, all": (
        lp.LAMB(0.05, clip_value=0.5, clip_norm=1.5, weight_decay=0.5, decay="catch_up"),
        naive_optimizers.LAMB,
    ),
}  # fmt: skip
ALL = [optimizer for optimizer, _ in CASES.values()]
# a kernel for each format: fewer of them in the simulator
FORMATS = DTYPES if DEVICE == "cpu" else ["float32", "float16"]
# each takes seconds to compile: every case in float32, in one of the others in turn, and in float16
# where rows have one column; LOWPREC_FULL_BATTERY=1 has all
EVERYTHING = "LOWPREC_FULL_BATTERY" in os.environ
LOW = {name: FORMATS[1:][place % len(FORMATS[1:])] for place, name in enumerate(CASES)}
KINDS = [
    (name, dtype)
    for name in CASES
    for dtype in FORMATS
    if EVERYTHING or dtype in ("float32", LOW[name])
]

# a kernel for each number of columns, too
NARROW_KINDS = [
    (name, dim)
    for place, name in enumerate(CASES)
    for dim in (2, 4, 8)
    if EVERYTHING or dim == (2, 4, 8)[place % 3]
]

# states in low precision of Adam: (state_dtype, state_rounding)
OF_STATES = {
    "bfloat16": ("bfloat16", "stochastic"),
    "bfloat16, nearest": ("bfloat16", "nearest"),
    "float16 and bfloat16": ({"mean": "float16", "square": "bfloat16"}, "stochastic"),
    "float8 mean": ({"mean": "float8_e4m3fn"}, "stochastic"),
}
# of each, two of four kernels: the rounding of a state is no kernel of its own
KINDS_OF_STATES = [
    (name, dtype, dim)
    for place, name in enumerate(OF_STATES)
    for dtype in ("float32", "float16")
    for dim in (1, 17)
    if EVERYTHING or (place < 2) == ((dtype, dim) in [("float32", 1), ("float16", 17)])
]

every_optimizer = pytest.mark.parametrize("optimizer", ALL, ids=list(CASES))
every_case = pytest.mark.parametrize("name", CASES)


def states_of(table):
    return {name: host(array) for name, array in table.optimizer_state.items()}


def check(table, oracle, indices, grad):
    """One update against the oracle."""
    expected = naive_optimizers.update(table, oracle, states_of(table), indices, grad)
    table.update(indices, grad)
    weight, states = expected
    assert bits(host(table.weight)) == bits(weight)
    assert states_of(table).keys() == states.keys()
    for key, array in states_of(table).items():
        assert bits(array) == bits(states[key])


def batch(rng, dim, samples=20):
    indices = rng.integers(0, SIZES, (samples, 3))
    return indices, rng.normal(size=(samples, 3, dim)).astype(np.float32)
