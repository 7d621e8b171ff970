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


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("make", "numbers"),
    [
        (lp.SGD, {"momentum": 0.9, "weight_decay": 0.01, "clip_value": 0.5, "clip_norm": 0.7}),
        (lp.Adagrad, {"eps": 1e-3, "initial_accumulator": 0.1}),
        (lp.RowWiseAdagrad, {"eps": 1e-3, "initial_accumulator": 0.1}),
        (lp.Adam, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-3}),
        (lp.LAMB, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-3}),
        (lp.FTRL, {"beta": 0.5, "l1": 0.01, "l2": 0.01}),
    ],
)
def test_numbers_of_numpy(tmp_path, make, numbers, kind):
    """They used to compute in their own precision, until a file gave them back as Python's."""
    rng = np.random.default_rng(0)
    batches = [(rng.integers(0, 9, 7), rng.normal(size=(7, 3))) for _ in range(3)]

    def trained(table):
        for indices, gradient in batches:
            table.update(indices, gradient)
        return table.weight.tobytes()

    rate = kind(0.1)
    given = make(rate, **{name: kind(number) for name, number in numbers.items()})
    plain = make(float(rate), **{name: float(kind(number)) for name, number in numbers.items()})
    assert (given, repr(given)) == (plain, repr(plain))
    tables = [lp.EmbeddingTable(9, 3, "float32", optimizer=each) for each in (given, plain)]
    tables[0].save(tmp_path / "t")
    expected = trained(tables[1])
    assert trained(tables[0]) == expected
    assert trained(lp.EmbeddingTable.load(tmp_path / "t")) == expected
    if make is not lp.FTRL:  # which takes no schedule
        scheduled = make(lambda step: rate, **numbers)
        assert scheduled.rule(0) == make(float(rate), **numbers).rule(0)


@pytest.mark.parametrize("make", [lp.Adagrad, lp.RowWiseAdagrad])
def test_an_accumulator_beyond_every_float(make):
    """An OverflowError did not name it."""
    with pytest.raises(ValueError, match="initial_accumulator must be finite"):
        make(0.1, initial_accumulator=10**400)
