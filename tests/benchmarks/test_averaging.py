"""Averages of iterates: what is summed, where it is put, and both experiments at a small size."""

from dataclasses import replace

import numpy as np
import pytest

import lowprec as lp
from benchmarks import averaging, averaging_convex
from benchmarks.averaging import Averages, dense_arrays, losses
from benchmarks.optimizer_settings import FORMATS, OPTIMIZERS, Data, make_model


@pytest.fixture
def few():
    (dense, indices), y, _ = lp.datasets.make_clicks(2000, [20, 10], seed=0)
    return Data(dense, indices, y, [20, 10])


@pytest.mark.parametrize("kind", ["logistic", "DLRM"])
def test_averages_are_those_of_the_last_iterates(kind, few, monkeypatch):
    """Every batch of the last half, against the iterates themselves."""
    monkeypatch.setattr(averaging, "EVERY", 1)
    settings = replace(OPTIMIZERS["SGD"].settings(kind), batch_size=250, epochs=1)
    model = make_model(OPTIMIZERS["SGD"], kind, settings, FORMATS["float32"], few, 0)
    averages, seen = Averages(np.arange(30), 2000), []

    def callback(model, samples):
        averages(model, samples)
        seen.append([model.table_.read(np.arange(30)), *map(np.copy, dense_arrays(model))])

    model.fit((few.dense, few.indices), few.y, callback=callback)
    averages.put(model, 0.5)
    now = [model.table_.read(np.arange(30)), *dense_arrays(model)]
    for found, *last in zip(now, *seen[4:], strict=True):
        np.testing.assert_allclose(found, np.mean(last, axis=0), rtol=1e-5, atol=1e-7)


def test_losses(few):
    settings = replace(OPTIMIZERS["SGD"].settings("logistic"), batch_size=16, epochs=2)
    found = losses("SGD", "logistic", settings, "float16", few, few, seed=0)
    assert list(found) == ["last", "0.5", "0.2", "0.05"]
    assert all(0 < loss < np.log(2) for loss in found.values())
    assert len(set(found.values())) == 4


def test_clicks(few, monkeypatch):
    monkeypatch.setattr(averaging, "TIMES", (1.0,))
    text = averaging.clicks(few, 2, {"logistic": ("SGD",)})
    rows = text.strip().splitlines()[2:]
    assert [row.split(" | ")[2] for row in rows] == ["float32", "float16"]


def test_the_average_keeps_1_over_t():
    """A quadratic in bfloat16, after 1,024 and 4,096 steps: four times closer, as predicted."""
    problem = averaging_convex.objectives.quadratic(seed=0)
    rate = averaging_convex.RATES["quadratic"]
    found = averaging_convex.descend(problem, "bfloat16", rate, 4096, 20)
    assert found["exact"][1024] / found["exact"][4096] == pytest.approx(4, rel=0.3)
    told = averaging_convex.predicted(problem, "bfloat16", rate, 4096)
    assert found["exact"][4096] == pytest.approx(told, rel=0.3)
    assert found["last"] > 100 * found["exact"][4096]
    assert found["exact"][4096] < found["float16"] < 2 * found["exact"][4096]


def test_without_l2_the_bound_holds():
    for one in averaging_convex.without_l2(512, 5):
        assert 0 < one["excess"] < one["bound"]
        assert 0 <= one["of_rounding"] < one["bound"]
        assert one["largest_weight"] < averaging_convex.BOX
