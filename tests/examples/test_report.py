"""What the experiments share."""

import json
import math

import numpy as np
import pytest
import report
from scipy import stats


def test_an_interval_is_students():
    values = np.random.default_rng(0).normal(3.0, 2.0, 12)
    interval = report.Interval.of(values)
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))
    assert interval.mean == pytest.approx(values.mean())


def test_intervals_hold_the_mean_as_often_as_they_say():
    """Of 2,000 intervals 95 % hold it; outside [0.931, 0.968] with a probability below 1e-4."""
    rng = np.random.default_rng(0)
    held = [i.low < 0 < i.high for i in map(report.Interval.of, rng.normal(size=(2000, 5)))]
    assert 0.931 <= np.mean(held) <= 0.968


def test_one_repetition_has_no_interval(tmp_path):
    interval = report.Interval.of([2.0])
    assert f"{interval:+.1f}" == "+2.0 (one repetition)"
    report.write_json(str(tmp_path / "out.json"), {"slope": interval})
    found = json.loads((tmp_path / "out.json").read_text())["slope"]
    assert found == {"mean": 2.0, "low": None, "high": None}
    assert interval.mean == 2.0
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_json_says_what_it_is_of(tmp_path):
    path = tmp_path / "out.json"
    interval = report.Interval(1.0, 0.5, 1.5)
    report.write_json(str(path), {"slope": interval, "points": np.arange(3), "one": np.float32(1)})
    found = json.loads(path.read_text())
    assert found["slope"] == {"mean": 1.0, "low": 0.5, "high": 1.5}
    assert found["points"] == [0, 1, 2]
    assert found["one"] == 1.0
    assert {"command", "lowprec", "numba", "threads"} <= found.keys()
