"""This checkout against another one: the arithmetic, and a run against itself on small sizes."""

import json
import os

import pytest

from benchmarks import against, child
from benchmarks.checkout import seconds_of_step
from tests.children import run


def test_turns_are_abba():
    assert against.turns(4) == [("this", "other"), ("other", "this")] * 2
    assert against.turns(1) == [("this", "other")]


def test_steps_of_turn():
    assert against.steps_of_turn(0.01, turn=0.03) == 3
    assert against.steps_of_turn(0.02, turn=0.03) == 2
    assert against.steps_of_turn(5.0, turn=0.03) == 1
    assert against.steps_of_turn(1e-12, turn=0.03) == 10_000


def test_summary_is_round_by_round():
    # a machine twice as slow in one round slows both checkouts in it
    found = against.summary({"this": [3.0, 6.0, 3.0], "other": [2.0, 4.0, 2.0]})
    assert found == {"this": 3.0, "other": 2.0, "ratio": 1.5, "quartiles": [1.5, 1.5]}
    found = against.summary({"this": [1.0, 2.0, 3.0], "other": [1.0, 1.0, 1.0]})
    assert (found["ratio"], found["quartiles"]) == (2.0, [1.5, 2.5])


def test_batches_rotate():
    numbers = []
    assert seconds_of_step(numbers.append, first=14, count=4) > 0
    assert numbers == [14, 15, 0, 1]


def test_durations():
    durations = [against.duration(seconds) for seconds in (12.0, 0.5, 0.0123, 4.56e-5)]
    assert durations == ["12.000 s", "500.000 ms", "12.300 ms", "45.6 us"]


def test_options(root, tmp_path, capsys):
    def parse(*arguments):
        return against.parse_arguments([str(root), *arguments])

    assert (parse().rounds, parse().rows, parse().threads[0]) == (15, 1e6, 1)
    assert (parse("--compile").rounds, parse("--quick").rounds) == (5, 3)
    assert parse("--quick", "--rounds", "7").rounds == 7
    batches = [(one["work"], one["dim"], one["batch"]) for one in against.settings(parse())]
    assert {("table", 64, 4096), ("table", 1, 128), ("DLRM", 16, 512)} <= set(batches)
    for wrong in (["--threads", "0"], ["--rounds", "0"]):
        with pytest.raises(SystemExit):
            parse(*wrong)
        assert "must be" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        against.parse_arguments([str(tmp_path)])
    assert "there is no lowprec in" in capsys.readouterr().err


def test_environment(root, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "shared")
    assert against.environment(root, 1)["NUMBA_CACHE_DIR"] == "shared"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    source = tmp_path / "lowprec" / "scalar.py"
    source.parent.mkdir()
    caches = set()
    for text in ("ONE = 1\n", "ONE = 2\n"):
        source.write_text(text)
        caches.add(against.environment(tmp_path, 1)["NUMBA_CACHE_DIR"])
    assert len(caches) == 2
    assert all(cache.startswith(str(tmp_path / ".numba_cache")) for cache in caches)


def test_another_package_is_found(tmp_path, capfd):
    arguments = {"checkout": str(tmp_path), "dtype": "float16", "dim": 4}
    with pytest.raises(child.ChildError):
        child.call("benchmarks.checkout:first_use", arguments, os.environ)
    assert f"expected the lowprec of {tmp_path}" in capfd.readouterr().err


def test_first_use_has_empty_caches(root, monkeypatch):
    caches = []

    def call(target, arguments, environment):
        caches.append(environment["NUMBA_CACHE_DIR"])
        return {"import": 1.0, "all": 2.0}

    monkeypatch.setattr(child, "call", call)
    options = against.parse_arguments([str(root), "--compile", "--rounds", "2"])
    results = list(against.compare_first_use({"this": root, "other": root}, options))
    assert [one["step"] for one in results] == ["import", "all"]
    assert results[1]["seconds"] == {"this": [2.0, 2.0], "other": [2.0, 2.0]}
    assert len(set(caches)) == 4


def test_quick_run_against_itself(root, tmp_path):
    out = tmp_path / "against.json"
    done = run("-m", "benchmarks.against", root, "--quick", "--out", out, timeout=300)
    found = json.loads(out.read_text())
    assert found["checkouts"]["this"] == found["checkouts"]["other"]
    results = found["results"]
    steps = ["lookup", "update", "lookup", "update", "DLRM", "LogisticRegression"]
    assert [one["step"] for one in results] == steps
    assert [one["dim"] for one in results] == [16, 16, 1, 1, 16, 1]
    for one in results:
        assert {name: len(times) for name, times in one["seconds"].items()} == {
            "this": 3, "other": 3,
        }  # fmt: skip
        assert 0 < one["quartiles"][0] <= one["ratio"] <= one["quartiles"][1]
    rows = done.stdout.splitlines()[-len(steps) :]
    assert rows == [against.line(one) for one in results]
