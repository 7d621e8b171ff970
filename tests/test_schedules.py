"""Schedules: their values, what they refuse, and that they are plain data."""

import pickle
from fractions import Fraction

import numpy as np
import pytest

import lowprec as lp
from lowprec import schedules

EVERY = [
    schedules.Constant(0.5),
    schedules.InverseTime(2.0, decay=0.5),
    schedules.WarmupLinearDecay(0.3, warmup_steps=3, total_steps=10),
]


def test_constant():
    assert [schedules.Constant(0.25)(step) for step in (0, 1, 10**9)] == [0.25] * 3


def test_inverse_time():
    schedule = schedules.InverseTime(2.0, decay=0.5)
    assert [schedule(step) for step in (0, 2, 6)] == [2.0, 1.0, 0.5]
    assert schedules.InverseTime(2.0, decay=0.0)(10**9) == 2.0


def test_warmup_then_linear_decay():
    schedule = schedules.WarmupLinearDecay(1.0, warmup_steps=4, total_steps=8)
    expected = [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert [schedule(step) for step in range(10)] == expected
    assert schedule(10**9) == 0.0


def test_linear_decay_without_warmup():
    schedule = schedules.WarmupLinearDecay(1.0, warmup_steps=0, total_steps=4)
    assert [schedule(step) for step in range(6)] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


@pytest.mark.parametrize("schedule", EVERY, ids=lambda schedule: type(schedule).__name__)
def test_schedules_are_plain_data(schedule):
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert again != schedules.Constant(0.125)
    with pytest.raises(AttributeError):
        schedule.learning_rate = 1.0


@pytest.mark.parametrize("schedule", EVERY, ids=lambda schedule: type(schedule).__name__)
def test_every_value_is_a_rate(schedule):
    for step in range(100):
        schedules.check_nonnegative("rate", schedule(step))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (-0.1, ValueError, "learning_rate must be finite and not negative, got -0.1"),
        (float("nan"), ValueError, "learning_rate must be finite and not negative, got nan"),
        (float("inf"), ValueError, "learning_rate must be finite"),
        (np.float32("nan"), ValueError, "learning_rate must be finite"),
        ("0.1", TypeError, "learning_rate must be a number, got '0.1'"),
        (None, TypeError, "learning_rate must be a number, got None"),
        (True, TypeError, "learning_rate must be a number, got True"),
        ([0.1], TypeError, "learning_rate must be a number"),
        (1j, TypeError, "learning_rate must be a number"),
    ],
)
def test_bad_learning_rates(value, error, message):
    for make in (
        schedules.Constant,
        lambda rate: schedules.InverseTime(rate, decay=1.0),
        lambda rate: schedules.WarmupLinearDecay(rate, warmup_steps=0, total_steps=1),
    ):
        with pytest.raises(error, match=message):
            make(value)


@pytest.mark.parametrize("rate", [0, 0.0, 1, np.float32(0.5), np.float64(0.5), np.int64(2)])
def test_good_learning_rates(rate):
    assert schedules.Constant(rate)(7) == rate


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint32, np.uint64, np.int64])
def test_steps_that_are_numbers_of_numpy(kind):
    """Their differences used to wrap around: to rates of 1e17 after the last step."""
    schedule = schedules.WarmupLinearDecay(0.3, kind(3), kind(10))
    expected = schedules.WarmupLinearDecay(0.3, 3, 10)
    steps = [*range(20), 300, 10**6, 2**40]
    assert [schedule(step) for step in steps] == [expected(step) for step in steps]
    assert (schedule, hash(schedule), repr(schedule)) == (expected, hash(expected), repr(expected))


@pytest.mark.parametrize("number", [np.float16(0.5), np.float32(0.5), np.int64(1), Fraction(1, 4)])
def test_rates_that_are_other_numbers(number, tmp_path):
    """float16 used to overflow at step 65520, and none of them could be written to a file."""
    for make in (
        schedules.Constant,
        lambda rate: schedules.InverseTime(rate, rate),
        lambda rate: schedules.WarmupLinearDecay(rate, np.int32(200_000), np.int64(400_000)),
    ):
        schedule, expected = make(number), make(float(number))
        steps = [0, 1, 65_520, 150_000, 300_000]
        assert [schedule(step) for step in steps] == [expected(step) for step in steps]
        lp.EmbeddingTable(4, 2, optimizer=lp.SGD(schedule)).save(tmp_path / "t")
        assert lp.EmbeddingTable.load(tmp_path / "t").optimizer == lp.SGD(expected)
        mapped = lp.EmbeddingTable(4, 2, optimizer=lp.SGD(schedule), path=tmp_path / "m")
        mapped.close()
        (tmp_path / "m").unlink()


VANISHING = [1e-46, 7e-46, 5e-324, np.float64(1e-60), Fraction(1, 10**50), Fraction(1, 10**400)]
OPTIMIZERS = [lp.SGD, lp.Adagrad, lp.RowWiseAdagrad, lp.Adam]


@pytest.mark.parametrize("rate", VANISHING, ids=str)
def test_rates_that_float32_takes_for_0(rate):
    """They used to train nothing, without a word."""
    for make in (*OPTIMIZERS, schedules.Constant, lambda rate: schedules.InverseTime(rate, 0.0)):
        with pytest.raises(ValueError, match=r"^learning_rate must be positive in float32"):
            make(rate)
    for optimizer in (kind(lambda step: rate if step else 0.5) for kind in OPTIMIZERS):
        optimizer.rule(0)
        with pytest.raises(ValueError, match=r"^learning_rate\(3\) must be positive in float32"):
            optimizer.rule(3)


@pytest.mark.parametrize(
    ("schedule", "step"),
    [
        (schedules.InverseTime(1e-44, decay=1.0), 100),
        (schedules.InverseTime(1.0, decay=3e38), 10**9),
        (schedules.WarmupLinearDecay(1e-44, warmup_steps=100, total_steps=200), 3),
        (schedules.WarmupLinearDecay(1e-44, warmup_steps=0, total_steps=200), 199),
    ],
)
def test_schedules_whose_rate_float32_takes_for_0(schedule, step):
    assert schedule(step) > 0
    table = lp.EmbeddingTable(4, 2, optimizer=lp.SGD(lambda _: schedule(step)))
    before = table.weight.copy()
    with pytest.raises(ValueError, match=r"learning_rate\(0\) must be positive in float32"):
        table.update(np.array([1]), np.ones((1, 2), np.float32))
    assert (table.weight == before).all()
    assert table.step == 0


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda number: lp.SGD(0.1, momentum=number), "momentum"),
        (lambda number: lp.Adam(0.1, beta1=number), "beta1"),
        (lambda number: lp.Adam(0.1, beta2=number), "beta2"),
        (lambda number: lp.Adagrad(0.1, initial_accumulator=number), "initial_accumulator"),
        (lambda number: lp.EmbeddingTable(4, 2, init_range=number), "init_range"),
    ],
)
def test_other_numbers_that_float32_takes_for_0(make, name):
    for number in VANISHING:
        with pytest.raises(ValueError, match=rf"^{name} must be positive in float32"):
            make(number)
    make(0.0)


@pytest.mark.parametrize("rate", [0, 0.0, -0.0, 1e-45, 2.0**-149, np.float32(1e-45), 2e-38])
def test_the_smallest_rates(rate):
    assert lp.SGD(rate).rule(0).learning_rate == np.float32(rate)
    assert lp.SGD(lambda step: rate).rule(0).learning_rate == np.float32(rate)


def test_small_numbers_that_are_not_used_in_float32():
    assert schedules.InverseTime(1.0, decay=1e-60)(2**62) == 1.0 / (1.0 + 1e-60 * 2**62)
    assert lp.Checkpoints("folder", every_minutes=1e-60).every_minutes == 1e-60


@pytest.mark.parametrize(
    ("kind", "kwargs", "error", "message"),
    [
        ("InverseTime", {"decay": -1.0}, ValueError, "decay must be finite and not negative"),
        ("InverseTime", {"decay": "1"}, TypeError, "decay must be a number, got '1'"),
        (
            "WarmupLinearDecay",
            {"warmup_steps": -1, "total_steps": 5},
            ValueError,
            r"warmup_steps must be in \[0, ",
        ),
        (
            "WarmupLinearDecay",
            {"warmup_steps": 5, "total_steps": 5},
            ValueError,
            r"total_steps must be in \[6, .*, got 5",
        ),
        (
            "WarmupLinearDecay",
            {"warmup_steps": 0.5, "total_steps": 5},
            TypeError,
            "warmup_steps must be an int",
        ),
        (
            "WarmupLinearDecay",
            {"warmup_steps": 0, "total_steps": 5.0},
            TypeError,
            "total_steps must be an int",
        ),
    ],
)
def test_bad_arguments(kind, kwargs, error, message):
    with pytest.raises(error, match=message):
        getattr(schedules, kind)(1.0, **kwargs)
