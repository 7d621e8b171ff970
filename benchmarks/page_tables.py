"""Tables of pages that a command prints as they stand: found again in its output, and replaced."""

from __future__ import annotations

from typing import NamedTuple

Rows = list[list[str]]


class Table(NamedTuple):
    """A Markdown table: its lines ``[first:end]`` of a text, and its cells without the rule."""

    first: int
    end: int
    rows: Rows

    @property
    def header(self) -> list[str]:
        return self.rows[0]

    @property
    def keys(self) -> list[str]:
        """The first cell of each row."""
        return [row[0] for row in self.rows[1:]]


def tables_of(text: str) -> list[Table]:
    """The tables of a text, in its order; not those within fences."""
    found: list[Table] = []
    rows: Rows = []
    fenced = False
    for number, line in enumerate([*text.splitlines(), ""]):
        fenced ^= line.startswith("```")
        if line.startswith("|") and not fenced:
            rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
            continue
        if len(rows) > 2 and set("".join(rows[1])) <= set("-:"):
            found.append(Table(number - len(rows), number, [rows[0], *rows[2:]]))
        rows = []
    return found


def page_table(made: Table, page: list[Table]) -> Table | None:
    """The table of a page that shows what a command made: the same header and mostly its rows."""
    alike = [table for table in page if table.header == made.header]
    best = max(alike, key=lambda table: _common(table, made), default=None)
    if best is None or 2 * _common(best, made) <= len(best.keys):
        return None
    return best


def _common(one: Table, other: Table) -> int:
    there = list(other.keys)
    count = 0
    for key in one.keys:
        if key in there:
            there.remove(key)
            count += 1
    return count


def replaced(text: str, output: str) -> str:
    """A text with its tables taken from an output, where the output has them."""
    lines = text.splitlines()
    page = tables_of(text)
    for made in tables_of(output):
        if table := page_table(made, page):
            rule = ["---"] * len(made.header)
            rows = [made.header, rule, *made.rows[1:]]
            new = [f"| {' | '.join(cells)} |" for cells in rows]
            lines[table.first : table.end] = new
            page = tables_of("\n".join(lines))
    return "\n".join(lines) + "\n" * text.endswith("\n")
