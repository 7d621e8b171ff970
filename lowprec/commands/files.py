"""Files of rows that a command is given, as readers."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any

import lowprec as lp
from lowprec.datasets.finding import find_files

FORMATS = ("criteo", "csv", "parquet")
_BY_NAME = {
    "parquet": re.compile(r".*\.(parquet|parq|pq)"),
    "csv": re.compile(r".*\.csv(\.gz)?"),
    "criteo": re.compile(r".*\.(tsv|txt)(\.gz)?|[^.]*(\.gz)?"),
}


def add_data(command: argparse.ArgumentParser) -> None:
    """The arguments that say which files are read."""
    command.add_argument(
        "data", nargs="+",
        help="files, folders or patterns: Parquet, CSV, or Criteo's tab-separated lines",
    )  # fmt: skip
    command.add_argument(
        "--format", choices=FORMATS, help="of the data; by default told by the files' names"
    )
    command.add_argument("--label", metavar="COLUMN", help="of the labels, in Parquet and CSV")


def format_of(paths: Sequence[str]) -> str:
    """The format that the names of files tell; ValueError if they tell none, or several."""
    found: dict[str, str] = {}
    for file in find_files(paths):
        name = file.name.rpartition("/")[2].lower()
        known = [each for each, names in _BY_NAME.items() if names.fullmatch(name)]
        if not known:
            raise ValueError(f"{file.path}: its name tells no format; give --format")
        found.setdefault(known[0], file.path)
    if len(found) > 1:
        raise ValueError(
            "the files are of several formats: "
            + ", ".join(f"{path} is {name}" for name, path in found.items())
            + "; give paths of one, or --format"
        )
    return next(iter(found))


def reader_of(kind: str, paths: Sequence[str], *arguments: Any, **options: Any) -> Any:
    """A reader of columns: Parquet or CSV."""
    if kind == "parquet":
        options.pop("text", None)
        return lp.ParquetReader(paths, *arguments, **options)
    return lp.CsvReader(paths, *arguments, **options)


def check_output(path: str) -> None:
    """FileNotFoundError or ValueError if no file can be written there, before any work."""
    if not os.path.isdir(os.path.dirname(path) or os.curdir):
        raise FileNotFoundError(f"--output {path}: its folder does not exist")
    if os.path.isdir(path):
        raise ValueError(f"--output {path} is a folder, not a file")


def counted(number: int, what: str) -> str:
    """A number of things, as in ``1 file`` and ``1,000 files``."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def names_in(text: str) -> list[str]:
    """The names in a text that commas separate."""
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers_in(text: str) -> tuple[int, ...]:
    """The integers in a text that commas separate."""
    return tuple(int(name) for name in names_in(text))
