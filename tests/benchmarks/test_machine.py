"""What is said about the machine and about what disturbed it."""

import os
import time

from benchmarks import machine

QUIET = {"clock": 0.0, "load": 0.0, "busy": 0.0, "stolen": 0.0, "own": 0.0, "switches": 0.0}


def after(**changes):
    return {**QUIET, "clock": 10.0, **changes}


def test_disturbances(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert machine.disturbances(QUIET, after(busy=15.0, own=15.0)) == []
    assert machine.disturbances(QUIET, after(busy=15.0, own=14.7)) == []
    assert machine.disturbances(QUIET, after(busy=16.0, own=14.0)) == [
        "other programs took 10% of the processors"
    ]
    assert machine.disturbances(QUIET, after(stolen=1.0)) == [
        "the hypervisor took 5% of the processors"
    ]


def test_a_clock_tick_is_no_disturbance(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert machine.disturbances(QUIET, {**QUIET, "clock": 0.1, "busy": 0.02}) == []


def test_own_work_is_counted_as_own():
    before = machine.activity()
    started = time.process_time()
    while time.process_time() < started + 0.2:
        pass
    change = {name: value - before[name] for name, value in machine.activity().items()}
    assert 0.15 < change["own"] < 0.5
    assert change["busy"] >= 0.15
    assert change["clock"] >= 0.15
    assert change["stolen"] >= 0
    assert change["switches"] >= 0


def test_description():
    about = machine.describe()
    assert about["processors"] >= 1
    assert about["packages"]["numpy"]
    assert machine.peak_memory() > 1e7
    assert machine.available_memory() > 1e7


def test_settings_are_those_that_bear_on_speed():
    environment = {"OMP_NUM_THREADS": "2", "MALLOC_TRIM_THRESHOLD_": "1", "HOME": "/root"}
    assert machine.settings(environment) == {"MALLOC_TRIM_THRESHOLD_": "1", "OMP_NUM_THREADS": "2"}
