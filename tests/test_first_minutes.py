"""The script for the first minutes on a GPU: it stops at the first surprise, and reports it."""

import sys

from tests.devices import without_gpu
from tests.first_minutes import STEPS, Step, run


def step(code, **more):
    return Step(code, [sys.executable, "-c", code], **more)


def test_it_stops_at_the_first_failure(tmp_path, capsys):
    report = tmp_path / "new" / "report.md"
    steps = [
        step("import os; print('one', os.environ['GIVEN'])", environment={"GIVEN": "too"}),
        Step("left out", ["no-such-tool"], needs="no-such-tool"),
        step("print('two'); raise SystemExit(3)"),
        step("print('never')"),
    ]
    assert not run(steps, report)
    text = report.read_text()
    assert "one too" in text
    assert "Left out: no-such-tool is not installed" in text
    assert "**Failed**: exit status 3" in text
    assert "never" not in text
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "passed", "left", "FAILED",
    ]  # fmt: skip
    assert run(steps[:2], report)
    assert "two" not in report.read_text()


def test_what_hangs_or_cannot_start_has_failed(tmp_path):
    report = tmp_path / "report.md"
    slow = "import time; print('begun', flush=True); time.sleep(60)"
    assert not run([step(slow, minutes=1 / 60)], report)
    assert "begun" in report.read_text()
    assert not run([Step("none", ["/no/such/program"])], report)
    assert "No such file" in report.read_text()


@without_gpu
def test_without_a_gpu_it_ends_at_once(tmp_path):
    report = tmp_path / "report.md"
    assert not run(STEPS, report)
    assert report.read_text().count("## ") == 1
