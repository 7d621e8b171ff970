"""The parameters of optimizers: what is no such, and how they are shown."""

import numpy as np
import pytest

import lowprec as lp


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lp.SGD(0.1, momentum=1.0), ValueError, "momentum must be less than 1"),
        (lambda: lp.SGD(0.1, momentum=-0.5), ValueError, "momentum must be finite and not neg"),
        (lambda: lp.SGD(0.1, momentum=1 - 1e-12), ValueError, "less than 1 in float32"),
        (lambda: lp.SGD(0.1, 0.9), TypeError, "positional argument"),
        (lambda: lp.Adagrad(0.1, eps=0.0), ValueError, "eps must be positive"),
        (lambda: lp.Adagrad(0.1, initial_accumulator=np.inf), ValueError, "initial_accumulator"),
        (lambda: lp.Adam(beta1=1.0), ValueError, "beta1 must be less than 1"),
        (lambda: lp.Adam(beta2="0.9"), TypeError, "beta2 must be a number"),
        (
            lambda: lp.Adam(state_dtype="float16"),
            ValueError,
            "'square' holds squares, which underfl",
        ),
        (lambda: lp.Adagrad(state_dtype="float8_e5m2"), ValueError, "'sum' holds squares"),
        (
            lambda: lp.Adam(state_dtype={"means": "bfloat16"}),
            ValueError,
            "names 'means'; there are",
        ),
        (lambda: lp.SGD(momentum=0.5, state_dtype="int8"), ValueError, "dtype must be one of"),
        (lambda: lp.SGD(state_dtype="int8"), ValueError, "dtype must be one of"),
        (lambda: lp.Adam(state_rounding="up"), ValueError, "state_rounding must be one of"),
        (lambda: lp.Adam(1e10, eps=1e-30).rule(0), ValueError, "learning_rate / eps overflows"),
    ],
)
def test_bad_parameters(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_texts():
    assert repr(lp.SGD(0.5)) == "SGD(learning_rate=0.5)"
    assert repr(lp.SGD(0.5, momentum=0.9)) == "SGD(learning_rate=0.5, momentum=0.9)"
    assert repr(lp.Adam(beta1=0.5)) == "Adam(learning_rate=0.001, beta1=0.5)"
