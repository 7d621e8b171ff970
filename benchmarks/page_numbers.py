"""The measured numbers of a page, and those of them that a command's output does not contain.

A number of a page is found if the output has a number that rounds to it.  In tables, all numbers
count as measured but those of the first column; in text, those with a decimal point, a negative
power of ten, a comma or a percent sign.  A missing number needs a look: it is out of date, computed
from others, or a setting.  A number of two digits that is found proves little, as a long output has
most of them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+)"
_ON_PAGE = re.compile(rf"(?<![\w.,^/-])([+-]?)({_DIGITS})(e[+-]?\d+)?x?( ?%)?(?![\w^]|\.\d|,\d)")
_IN_OUTPUT = re.compile(rf"[+-]?{_DIGITS}(?:e[+-]?\d+)?", re.IGNORECASE)
_CODE = re.compile(r"^```.*?^```$|`[^`]*`|\]\([^)]*\)|<[^>]*>|\$[^$]*\$", re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r"\b(?:Python|NumPy|numba|PyTorch|FBGEMM|gensim|scikit-learn|torch) [\d.]+")


class Number(NamedTuple):
    """A number as a page writes it."""

    text: str
    line: int  # of the page, from 1
    value: float
    half_unit: float  # of the last digit
    signed: bool
    percent: bool

    def matches(self, other: float) -> bool:
        """Whether `other`, or in percent 100 times `other`, rounds to this number."""
        candidates = (other, 100 * other) if self.percent else (other,)
        tolerance = self.half_unit * (1 + 1e-6) + 1e-12
        return any(
            abs(self.value - (each if self.signed else abs(each))) <= tolerance
            for each in candidates
        )


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    plain = re.sub(r"[^\w\- ]", "", re.sub(r"<[^>]*>", "", heading).lower())
    return plain.strip().replace(" ", "-")


def part(page: str, anchor: str) -> tuple[int, str]:
    """The first line and the text below a heading, up to the next one of its level or above.

    Raises
    ------
    ValueError
        If the page has no such heading.
    """
    if not anchor:
        return 1, page
    lines = page.splitlines()
    fenced = False
    first, level = 0, 0
    for number, line in enumerate(lines, 1):
        fenced ^= line.startswith("```")
        found = None if fenced else re.match(r"(#+) (.*)", line)
        if found and first and len(found[1]) <= level:
            return first, "\n".join(lines[first - 1 : number - 1])
        if found and not first and slug(found[2]) == anchor:
            first, level = number, len(found[1])
    if not first:
        raise ValueError(f"no heading #{anchor}")
    return first, "\n".join(lines[first - 1 :])


def numbers_of(text: str, first_line: int = 1) -> list[Number]:
    """The measured numbers of a part of a page, in its order."""
    text = _CODE.sub(lambda code: "\n" * code[0].count("\n"), text)
    text = _VERSION.sub("", text)
    found = []
    for line_number, line in enumerate(text.splitlines(), first_line):
        in_table = line.startswith("|")
        if in_table:
            line = line[1:].partition("|")[2]  # without the first column
        for match in _ON_PAGE.finditer(line):
            sign, digits, exponent, percent = match.groups()
            power = int(exponent[1:]) if exponent else 0
            if not (in_table or "." in digits or "," in digits or percent or power < 0):
                continue
            plain = digits.replace(",", "")
            decimals = len(plain.partition(".")[2])
            value = float(f"{sign}{plain}e{power}")
            unit = 0.5 * 10.0 ** (power - decimals)
            found.append(Number(match[0], line_number, value, unit, bool(sign), bool(percent)))
    return found


def missing(numbers: list[Number], output: str) -> list[Number]:
    """Those of which the output has no number that rounds to them."""
    there = [float(match[0].replace(",", "")) for match in _IN_OUTPUT.finditer(output)]
    return [number for number in numbers if not any(map(number.matches, there))]
