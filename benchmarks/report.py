"""Results as Markdown and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks import goals, machine, summary
from benchmarks.results import Comparison
from benchmarks.timing import STEADY, Spread

_METHOD = f"""\
Contestants take turns in a new random order each round; each number is a median, with the quartiles
in brackets.  Ratios are medians of the ratios round by round: above 1, the subject is faster.  `*`
marks a contestant whose quartiles are more than {STEADY:.0%} of the median apart; the last column
says what else took the processors meanwhile.  Everyone runs under the allocator settings that suit
the peers best, and peers and those who share their process under the OpenMP settings that do; they
are in `results.json`, with every raw time.
"""


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"{markdown_row(cells)}\n" for cells in lines)


def markdown_row(cells: Sequence[str]) -> str:
    """A line of such a table, for those that are printed as they are found."""
    return f"| {' | '.join(cells)} |"


def tables(comparisons: Sequence[Comparison]) -> str:
    """All that a suite measured: a group of tables for each list of contestants."""
    groups = groupby(sorted(comparisons, key=_group), key=_group)
    return "\n".join(_tables_of_group(list(group)) for _, group in groups)


def _group(comparison: Comparison) -> tuple[Any, ...]:
    # many contestants first, then in the order of their names
    contestants = comparison.seconds or comparison.table
    return -len(contestants), comparison.subject, tuple(contestants), tuple(comparison.setting)


def _tables_of_group(group: list[Comparison]) -> str:
    parts = []
    names = list(group[0].seconds)
    subject = group[0].subject
    header = list(group[0].setting)
    if names:
        unit = group[0].unit or "ms"
        rows = [[*_cells(one), *(_time(one, name) for name in names), _marks(one)] for one in group]
        parts.append(f"{unit}:\n\n" + markdown_table([*header, *names, "disturbed"], rows))
        if others := [name for name in names if name != subject]:
            rows = [[*_cells(one), *(_ratio(one.ratio(name)) for name in others)] for one in group]
            title = f"`{subject}` is so many times as fast:\n\n"
            parts.append(title + markdown_table([*header, *others], rows))
    if group[0].table:
        columns = list(next(iter(group[0].table.values())))
        rows = [
            [*_cells(one), name, *(_number(numbers[column]) for column in columns)]
            for one in group
            for name, numbers in one.table.items()
        ]
        parts.append(markdown_table([*header, "tables", *columns], rows))
    if notes := Counter(note for one in group for note in one.notes):
        parts.append(
            "".join(f"- {note} ({n} of {len(group)} settings)\n" for note, n in notes.items())
        )
    return "\n".join(parts)


def _cells(comparison: Comparison) -> list[str]:
    return [_value(value) for value in comparison.setting.values()]


def _value(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _time(comparison: Comparison, name: str) -> str:
    seconds = comparison.spread(name)
    if comparison.unit:
        middle, low, high = (
            comparison.amount / s for s in (seconds.median, seconds.high, seconds.low)
        )
    else:
        middle, low, high = (1e3 * s for s in seconds[:3])
    mark = "*" if seconds.unsteady else ""
    return f"{_number(middle)}{mark} [{_number(low)}, {_number(high)}]"


def _ratio(ratio: Spread) -> str:
    return f"{ratio.median:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _number(value: float) -> str:
    digits = 0 if value >= 1000 else 1 if value >= 100 else 2
    return f"{value:,.{digits}f}"


def _marks(comparison: Comparison) -> str:
    return "; ".join(machine.disturbances(comparison.before, comparison.after)) or "no"


def _goals(comparisons: Sequence[Comparison]) -> str:
    rows = []
    for goal in goals.as_json(comparisons):
        ratios = goal["reached"]
        lowest, highest = ratios[0]["ratio"], ratios[-1]["ratio"]
        where = ", ".join(f"{name} {_value(value)}" for name, value in ratios[0]["setting"].items())
        rows.append([
            goal["goal"], f"{goal['at_least']:.2f}", f"{lowest:.2f}", where, f"{highest:.2f}",
            "yes" if goal["met"] else "no",
        ])  # fmt: skip
    header = ["against", "at least", "lowest", "where", "highest", "met"]
    return markdown_table(header, rows) if rows else "This run has none of the goals' settings.\n"


def as_json(
    comparisons: Sequence[Comparison], about: Mapping[str, Any], failures: Sequence[str]
) -> dict[str, Any]:
    """Everything that a run found."""
    return {
        "about": dict(about),
        "goals": goals.as_json(comparisons),
        "failures": list(failures),
        "comparisons": [comparison.as_json() for comparison in comparisons],
    }


def as_markdown(
    comparisons: Sequence[Comparison],
    about: Mapping[str, Any],
    failures: Sequence[str],
    titles: Mapping[str, str],
    figures: Sequence[str],
) -> str:
    """The report; `titles` are those of the suites by name, `figures` file names."""
    facts = [[name, _fact(value)] for name, value in about.items()]
    parts = ["# Benchmarks\n", _METHOD, markdown_table(["", ""], facts)]
    if failures:
        parts += ["## Failed\n", "".join(f"- {failure}\n" for failure in failures)]
    parts += ["## Goals\n", _goals(comparisons), "## Summary\n"]
    for header, rows in (summary.milliseconds(comparisons), summary.of_goals(comparisons)):
        parts.append(markdown_table(header, rows) if rows else "This run has no such settings.\n")
    parts += [f"![{name}]({name})\n" for name in figures]
    for suite, title in titles.items():
        if found := [one for one in comparisons if one.suite == suite]:
            parts += [f"## {title}\n", tables(found)]
    return "\n".join(parts)


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return str(value)


def write(
    folder: Path,
    comparisons: Sequence[Comparison],
    about: Mapping[str, Any],
    failures: Sequence[str],
    titles: Mapping[str, str],
    figures: Sequence[str] = (),
) -> None:
    """Write ``results.json`` and ``results.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    found = as_json(comparisons, about, failures)
    (folder / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    text = as_markdown(comparisons, about, failures, titles, figures)
    (folder / "results.md").write_text(text)
