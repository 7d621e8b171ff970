"""The arithmetic of times and ratios, and turns."""

import pytest

from benchmarks import timing
from benchmarks.timing import interleaved, ratio, spread


def test_spread():
    assert spread([5.0, 1.0, 2.0, 4.0, 3.0]) == (3.0, 2.0, 4.0, 1.0)
    assert spread([2.0, 4.0]) == (3.0, 2.5, 3.5, 2.0)
    assert spread([7.0]) == (7.0, 7.0, 7.0, 7.0)


def test_unsteady():
    assert not spread([1.0, 1.01, 1.02, 1.03]).unsteady
    assert spread([1.0, 1.0, 2.0, 2.0]).unsteady
    assert not spread([1.0] * 9 + [100.0]).unsteady  # one outlier does not move quartiles


def test_ratio_is_round_by_round():
    # a machine twice as slow in one round slows both contestants in it
    assert ratio([1.0, 2.0, 1.0], reference=[3.0, 6.0, 3.0]) == (3.0, 3.0, 3.0, 3.0)
    assert ratio([2.0], reference=[1.0]).median == 0.5
    with pytest.raises(ValueError, match="longer"):
        ratio([1.0, 2.0], reference=[1.0])


def test_contestants_take_turns(monkeypatch):
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    calls = []
    contestants = {name: lambda number, name=name: calls.append((number, name)) for name in "abc"}
    seconds = interleaved(contestants, rounds=20, seed=1)
    assert [number for number, _ in calls] == [n for n in range(20) for _ in "abc"]
    orders = {tuple(name for _, name in calls[i : i + 3]) for i in range(0, 60, 3)}
    assert all(sorted(order) == list("abc") for order in orders)
    assert len(orders) == 6  # every order comes up
    assert {name: len(times) for name, times in seconds.items()} == {"a": 20, "b": 20, "c": 20}
    again = list(calls)
    calls.clear()
    interleaved(contestants, rounds=20, seed=1)
    assert calls == again
