"""Optimizers: what they compute, what they refuse, and that they are plain data."""

import pickle

import numpy as np
import pytest

import lowprec as lp
from lowprec.device import get_device
from lowprec.optimizers.dense import init_dense_states, update_dense
from lowprec.optimizers.rules import rules_of
from lowprec.workspace import Allocator

CPU = get_device("cpu")
HALTED = np.zeros(1, np.bool_)


def step_dense(optimizer, parameters, gradients, step, halted=HALTED):
    """One step of dense parameters without states before."""
    states = init_dense_states(CPU, optimizer, parameters)
    rules = rules_of(optimizer, step)
    update_dense(CPU, rules, parameters, states, gradients, halted, Allocator(CPU))


def test_sgd_steps_dense_parameters_in_place():
    rng = np.random.default_rng(0)
    parameters = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (2,), (0, 4))]
    gradients = [rng.normal(size=p.shape).astype(np.float32) for p in parameters]
    expected = [p.astype(np.float64) - 0.3 * g for p, g in zip(parameters, gradients, strict=True)]
    untouched = [g.copy() for g in gradients]
    step_dense(lp.SGD(0.3), parameters, gradients, 0)
    for got, wanted in zip(parameters, expected, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-7)
    for got, wanted in zip(gradients, untouched, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_dense_parameters_stay_when_training_is_halted():
    parameter = np.ones(3, np.float32)
    step_dense(lp.SGD(0.3), [parameter], [parameter.copy()], 0, np.ones(1, np.bool_))
    np.testing.assert_array_equal(parameter, 1.0)


def test_a_schedule_gives_the_rate_of_each_step():
    optimizer = lp.SGD(lp.schedules.InverseTime(1.0, decay=1.0))
    assert [optimizer.learning_rate_at(step) for step in (0, 1, 3)] == [1.0, 0.5, 0.25]
    parameter = np.zeros(2, np.float32)
    step_dense(optimizer, [parameter], [np.ones(2, np.float32)], 3)
    np.testing.assert_array_equal(parameter, [-0.25, -0.25])


def test_any_function_is_a_schedule():
    assert lp.SGD(lambda step: 0.5**step).learning_rate_at(2) == 0.25


def test_a_table_asks_for_the_rate_of_its_own_step():
    steps = []

    def schedule(step):
        steps.append(step)
        return 2.0**-step

    table = lp.EmbeddingTable(1, 1, "float32", optimizer=lp.SGD(schedule), init_range=0.0)
    for _ in range(3):
        table.update([0], np.full((1, 1), -1.0, np.float32))
    assert steps == [0, 1, 2]
    assert table.weight[0, 0] == 1.75


def test_sgd_is_plain_data():
    optimizer = lp.SGD(0.25)
    assert optimizer == lp.SGD(learning_rate=0.25) == pickle.loads(pickle.dumps(optimizer))
    assert optimizer != lp.SGD(0.5)
    assert eval(repr(optimizer), {"SGD": lp.SGD}) == optimizer
    with pytest.raises(AttributeError):
        optimizer.learning_rate = 0.5


@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (-1.0, ValueError, "learning_rate must be finite and not negative, got -1.0"),
        (float("nan"), ValueError, "learning_rate must be finite and not negative, got nan"),
        (float("inf"), ValueError, "learning_rate must be finite and not negative, got inf"),
        ("fast", TypeError, "learning_rate must be a number, got 'fast'"),
        ("0.1", TypeError, "learning_rate must be a number, got '0.1'"),
        (None, TypeError, "learning_rate must be a number, got None"),
        (False, TypeError, "learning_rate must be a number, got False"),
    ],
)
def test_bad_learning_rates(rate, error, message):
    with pytest.raises(error, match=message):
        lp.SGD(rate)


@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (float("nan"), ValueError, r"learning_rate\(2\) must be finite and not negative, got nan"),
        (-0.5, ValueError, r"learning_rate\(2\) must be finite and not negative, got -0.5"),
        (None, TypeError, r"learning_rate\(2\) must be a number, got None"),
    ],
)
def test_a_bad_schedule_raises_and_changes_nothing(rate, error, message):
    optimizer = lp.SGD(lambda step: 0.1 if step < 2 else rate)
    table = lp.EmbeddingTable(3, 2, optimizer=optimizer)
    grad = np.ones((1, 2), np.float32)
    for _ in range(2):
        table.update([1], grad)
    before = table.weight.copy()
    parameter = np.ones(2, np.float32)
    for call in (
        lambda: optimizer.learning_rate_at(2),
        lambda: table.update([1], grad),
        lambda: step_dense(optimizer, [parameter], [parameter], 2),
    ):
        with pytest.raises(error, match=message):
            call()
    assert table.step == 2
    np.testing.assert_array_equal(table.weight, before)
    np.testing.assert_array_equal(parameter, 1.0)
