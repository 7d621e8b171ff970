"""Schedules: their values, what they refuse, and that they are plain data."""

import pickle

import numpy as np
import pytest

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
