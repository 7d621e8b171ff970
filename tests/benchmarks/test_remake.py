"""Measurements that pages report: they are all listed; runs are kept, resumed and compared."""

import json
import re

import pytest

from benchmarks import page_numbers, page_tables, remake
from benchmarks.measurements import DATA, MEASUREMENTS, Measurement
from tests.conftest import ROOT

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
}
TOLD_IN_WORDS = {"draw", "gallery", "fuzz", "faults"}  # of several commands of the pages
# Pages report no numbers of these, or what `python -m benchmarks` runs as well.
NOT_LISTED = ("benchmarks.gpu", "benchmarks.streams", "benchmarks.memory")


def one_line(text):
    return re.sub(r"[\s\\`]+", " ", text)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_a_measurement_stands_where_it_says(name):
    """Its command is on a page; the parts of pages and the figures are there."""
    one = MEASUREMENTS[name]
    for place in one.places:
        path, _, anchor = place.partition("#")
        page_numbers.part(PAGES[path], anchor)
    for figure in one.figures:
        assert (ROOT / figure).exists(), figure
    if name not in TOLD_IN_WORDS:
        assert any(one_line(one.command) in one_line(page) for page in PAGES.values()), one.command


def test_all_figures_and_benchmarks_of_the_pages_are_listed():
    figures = {figure for one in MEASUREMENTS.values() for figure in one.figures}
    for pattern in ("*.png", "figures/*", "gallery/*.png", "gallery/*.txt"):
        for path in (ROOT / "docs").glob(pattern):
            assert path.relative_to(ROOT).as_posix() in figures, path
    listed = " ".join(one.command for one in MEASUREMENTS.values())
    for path, page in PAGES.items():
        for module in re.findall(r"-m (benchmarks\.\w+)", one_line(page)):
            assert module in listed or module in NOT_LISTED, (path, module)
        for script in re.findall(r"examples/\w+\.py --full", one_line(page)):
            assert script in listed, (path, script)


@pytest.fixture
def listed(monkeypatch):
    """Replace the list."""

    def replace(**measurements):
        monkeypatch.setattr(remake, "MEASUREMENTS", measurements)

    return replace


def test_runs_are_kept_and_resumed(tmp_path, listed, capsys):
    """In the order of the list; those that failed run again."""
    write = "SIZE=7 python -c \"import os; print(os.environ['SIZE']); open('a.png', 'w')\""
    broken = "python -c \"raise SystemExit('no such thing')\""
    listed(first=Measurement(write, 0.1, ()), second=Measurement(broken, 0.1, (), quiet=True))
    arguments = ["--out", str(tmp_path), "second", "first"]
    assert remake.main(arguments) == 1
    out = capsys.readouterr().out
    assert out.index("first") < out.index("second") < out.index("FAILED")
    assert (tmp_path / "first/stdout.txt").read_text() == "7\n"
    assert (tmp_path / "first/a.png").exists()
    assert "no such thing" in (tmp_path / "second/stderr").read_text()
    about = json.loads((tmp_path / "first/run.json").read_text())
    assert about["command"] == write
    assert about["processor"] == remake.machine.describe()["processor"]
    assert remake.main(arguments) == 1
    out = capsys.readouterr().out
    assert re.search("first +has run already", out)
    assert "FAILED" in out


def test_what_cannot_run_is_skipped(tmp_path, listed, capsys):
    file = next(iter(DATA))
    listed(
        data=Measurement(f"python -c 'import sys; print(*open(sys.argv[1]))' {file}", 0.1, ()),
        package=Measurement("python -c pass", 0.1, (), needs=("no_such_package",)),
        late=Measurement("python -c pass", 60, ()),
    )
    arguments = ["--out", str(tmp_path / "out"), "--minutes", "30"]
    assert remake.main(arguments) == 1
    out = capsys.readouterr().out
    assert f"not below --data: {file}" in out
    assert "not installed: no_such_package" in out
    assert "takes 60 minutes" in out
    (tmp_path / "data/deep").mkdir(parents=True)
    (tmp_path / "data/deep" / DATA[file]).write_text("rows")
    assert remake.main([*arguments, "--data", str(tmp_path / "data"), "data"]) == 0
    assert (tmp_path / "out/data/stdout.txt").read_text() == "rows\n"


def test_pages_are_compared_and_results_copied(tmp_path, listed, monkeypatch, capsys):
    monkeypatch.setattr(remake, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(
        "# Page\n\nOf 0.7.\n\n## Part one\n\n| a | b |\n|---|---|\n| 0.9 | 1.25 |\n\n2.5 s\n\n"
        "## Rest\n\n0.1\n"
    )
    table = "| a | b |\\n| --- | --- |\\n| 0.9 | 1.2468 |\\n"
    command = f"python -c \"print('{table}'); open('a.png', 'w').write('drawn')\""
    listed(one=Measurement(command, 0.1, ("page.md#part-one",), {"b.png": "a.png"}))
    out = ["--out", str(tmp_path / "out")]
    assert remake.main(out) == 0
    assert remake.main([*out, "--check"]) == 1
    told = capsys.readouterr().out
    assert "page.md#part-one: 1 of 2 numbers are found" in told
    assert "page.md:11: 2.5" in told
    assert remake.main([*out, "--copy"]) == 0
    assert (tmp_path / "b.png").read_text() == "drawn"
    assert "| 0.9 | 1.2468 |\n\n2.5 s" in (tmp_path / "page.md").read_text()
    capsys.readouterr()
    assert remake.main([*out, "--copy"]) == 0
    assert capsys.readouterr().out == ""
    assert remake.main([*out, "--list"]) == 0
    assert "0.1 min; 20" in capsys.readouterr().out


def test_unknown_names(capsys):
    with pytest.raises(SystemExit):
        remake.main(["no_such"])
    assert "no_such" in capsys.readouterr().err


def values(text):
    return [number.value for number in page_numbers.numbers_of(text)]


def test_numbers_of_a_page():
    assert values("1.5 of 26 x 4096 at 1e7 is .25, 12 % [-1.5e-5, +28e-5] and 1,024") == [
        1.5, 0.25, 12.0, -1.5e-5, 28e-5, 1024.0,
    ]  # fmt: skip
    assert values("numba 0.68.1, Python 3.11, `0.5`, [a](b0.5.md), 2.5x") == [2.5]
    assert values("```\n0.5\n```\n| 0.9 | 11 | **4.6** |") == [11.0, 4.6]
    assert [number.line for number in page_numbers.numbers_of("```\n0.5\n```\n0.7", 10)] == [13]


@pytest.mark.parametrize(
    ("page", "output", "found"),
    [
        ("0.25", "0.2468", True), ("0.25", "0.2568", False), ("0.25", "-0.25", True),
        ("+0.25", "-0.25", False), ("-0.25", "-0.2499", True), ("10.5 %", "0.10493", True),
        ("10.5 %", "10.46", True), ("0.4e-5", "+3.8e-06", True), ("1,234.5", "1234.51", True),
        ("0.105", "10.5", False),
    ],
)  # fmt: skip
def test_a_number_is_found_if_the_output_rounds_to_it(page, output, found):
    lost = page_numbers.missing(page_numbers.numbers_of(page), f"numbers: {output}, x")
    assert (not lost) == found


def test_parts_of_a_page():
    page = "# A\n\n## B c, d\nx\n```\n## no heading\n```\n### E\ny\n## F\nz"
    assert page_numbers.part(page, "") == (1, page)
    first, text = page_numbers.part(page, "b-c-d")
    assert (first, text.splitlines()[-1]) == (3, "y")
    with pytest.raises(ValueError, match="no heading #g"):
        page_numbers.part(page, "g")


def test_tables_of_a_page_are_replaced_where_the_output_has_them():
    page = "a\n| x | y |\n|---|---|\n| A | 1 |\n| B | 2 |\nb\n| x | y |\n|---|---|\n| C | 3 |\n"
    assert [table.keys for table in page_tables.tables_of(page)] == [["A", "B"], ["C"]]
    output = "seconds\n| x | y |\n| --- | --- |\n| C | 4 |\n| D |  |\n\n| x | z |\n| - | - |\n"
    output += "| A | 5 |\n"
    new = page.replace("|---|---|\n| C | 3 |", "| --- | --- |\n| C | 4 |\n| D |  |")
    assert page_tables.replaced(page, output) == new
    assert page_tables.replaced(f"```\n{page}```\n", output) == f"```\n{page}```\n"
    few = "| x | y |\n|---|---|\n| B | 7 |\n"  # half of the rows of the first table
    assert page_tables.replaced(page, few) == page
