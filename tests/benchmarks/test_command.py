"""The one command, on its small sizes."""

import json

import pytest

from benchmarks.__main__ import SUITES, parse_arguments
from benchmarks.results import LOWPREC
from tests.children import run


def test_quick_run(tmp_path):
    suites = ["table", "logistic", "memory"]
    options = ("--quick", "--threads", 1, "--suites", *suites, "--out", tmp_path)
    done = run("-m", "benchmarks", *options, timeout=300)
    assert done.stdout.splitlines()[-1] == str(tmp_path / "results.md")

    found = json.loads((tmp_path / "results.json").read_text())
    assert found["failures"] == []
    assert {one["suite"] for one in found["comparisons"]} == set(suites)
    for one in found["comparisons"]:
        if one["suite"] != "memory":
            assert {*LOWPREC, "NumPy add.at"} <= set(one["seconds"])
            assert all(min(times) > 0 for times in one["seconds"].values())
            assert one["before"]["clock"] < one["after"]["clock"]
            assert all(s["MALLOC_TRIM_THRESHOLD_"] for s in one["environment"].values())

    text = (tmp_path / "results.md").read_text()
    assert all(SUITES[name].TITLE in text for name in suites)
    assert "is left out" in text or "| FBGEMM |" in text  # nobody is missing without a word
    for name in ("peers", "training"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_bad_arguments(capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--threads", "0"])
    assert "--threads must be from 1 to" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse_arguments(["--suites", "weather"])


def test_default_threads():
    assert parse_arguments([]).threads in ([1], [1, 2])
