"""Reports, goals and figures of made-up results."""

import json

import pytest

from benchmarks import __main__ as command
from benchmarks import figures, goals, page_tables, report, summary
from benchmarks.goals import Goal, reached
from benchmarks.results import REFERENCE, SUBJECT
from tests.conftest import ROOT

ABOUT = {"processor": "an abacus", "packages": {"numpy": "2.0"}}


def test_one_table(make_comparison):
    one = make_comparison(
        "table", {"rows": 1_000_000, "ids": "zipf"}, {REFERENCE: 3.0, SUBJECT: 2.0}, busy=0.5
    )
    text = report.tables([one])
    assert f"| rows | ids | {REFERENCE} | {SUBJECT} | disturbed |" in text
    assert "| 1,000,000 | zipf | 3.0" in text
    assert "] | other programs took " in text
    assert f"`{SUBJECT}` is" in text
    assert "| 1,000,000 | zipf | 1.50 [1.50, 1.50] |" in text


def test_rates(make_comparison):
    one = make_comparison("dlrm", {"dim": 16}, {SUBJECT: 10.0}, amount=2048.0, unit="samples/s")
    low, high = one.spread(SUBJECT).low, one.spread(SUBJECT).high
    cells = report.tables([one]).splitlines()[4].split(" | ")
    assert cells[1].endswith(f"[{2048 / high:,.0f}, {2048 / low:,.0f}]")


def test_unsteady_contestants_are_marked(make_comparison):
    one = make_comparison("table", {"dim": 16}, {SUBJECT: 1.0, REFERENCE: 1.0})
    one.seconds[REFERENCE] = [1.0, 2.0] * 3
    one.seconds[SUBJECT] = [1.0] * 6
    assert one.disturbances() == [f"unsteady: {REFERENCE}"]
    assert "| 1,000* [" not in report.tables([one])
    assert "| 1,500* [1,000, 2,000] |" in report.tables([one])


@pytest.mark.parametrize(("milliseconds", "met"), [(5.9, False), (6.1, True)])
def test_goals(make_comparison, milliseconds, met):
    goal = Goal("", 3.0, "table", ("A", "B"), {"dim": (64,)})
    times = {SUBJECT: 2.0, "A": 9.0, "B": milliseconds}
    near = make_comparison("table", {"dim": 64, "ids": "zipf"}, times)
    found = reached(goal, [
        make_comparison("table", {"dim": 64, "ids": "uniform"}, {SUBJECT: 2.0, "A": 9.0}),
        near,
        make_comparison("table", {"dim": 16}, {SUBJECT: 1.0, "A": 1.0}),  # not its setting
        make_comparison("table", {"dim": 64}, {SUBJECT: 1.0, "C": 1.0}),  # nobody to beat
        make_comparison("dlrm", {"dim": 64}, {SUBJECT: 1.0, "A": 1.0}),  # another suite
    ])  # fmt: skip
    assert [one.setting for one in found] == [near.setting, {"dim": 64, "ids": "uniform"}]
    assert found[0].ratio == pytest.approx(milliseconds / 2)
    assert (found[0].ratio >= goal.at_least) == met


def test_summaries_are_the_tables_of_the_page(whole_run):
    page = page_tables.tables_of((ROOT / "docs/performance.md").read_text())
    for header, rows in (summary.milliseconds(whole_run), summary.of_goals(whole_run)):
        made = page_tables.Table(0, 0, [header, *rows])
        assert page_tables.page_table(made, page) is not None, header
        assert all(len(row) == len(header) for row in rows)
    _, (first, *_) = summary.milliseconds(whole_run)
    assert first[0] == "1e7 x 64, uniform"
    assert float(first[3]) < float(first[2]) < float(first[1])  # as made up
    assert summary.milliseconds(whole_run[-1:])[1] == []


def test_a_whole_run(whole_run, tmp_path):
    drawn, problem = figures.draw(whole_run, tmp_path)
    titles = {name: suite.TITLE for name, suite in command.SUITES.items()}
    report.write(tmp_path, whole_run, ABOUT, ["part 7 ended with -9"], titles, drawn)

    assert problem == ""
    assert drawn == [f"{name}.png" for name in figures.FIGURES]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in drawn)

    found = json.loads((tmp_path / "results.json").read_text())
    assert found["about"] == ABOUT
    assert found["failures"] == ["part 7 ended with -9"]
    assert len(found["comparisons"]) == len(whole_run)
    one = found["comparisons"][0]
    assert len(one["seconds"][SUBJECT]) == 9
    assert set(one["statistics"][SUBJECT]) == {"median", "low", "high", "minimum", "unsteady"}
    assert one["ratios"][REFERENCE]["median"] == pytest.approx(1.2)
    assert len(found["goals"]) == len(goals.GOALS)  # a full run has the settings of every goal

    text = (tmp_path / "results.md").read_text()
    assert "an abacus" in text
    assert "- part 7 ended with -9" in text
    assert all(f"## {title}\n" in text for title in titles.values())
    assert all(f"]({name})" in text for name in drawn)
    assert "- made up (" in text


def test_a_run_of_nothing(tmp_path):
    assert figures.draw([], tmp_path / "new") == ([], "")
    report.write(tmp_path / "new", [], ABOUT, [], {})
    assert "none of the goals' settings" in (tmp_path / "new" / "results.md").read_text()
