"""Run the measurements that the pages of docs report, one after the other, and compare the pages.

    python -m benchmarks.remake --list
    python -m benchmarks.remake --data FOLDER [--minutes 60] [NAME ...]
    python -m benchmarks.remake --check [NAME ...]
    python -m benchmarks.remake --copy [NAME ...]

The second command runs what is named, or all of benchmarks/measurements.py, and keeps outputs,
figures and times in build/remake/NAME.  What has already run is not repeated without `--again`, so
an interrupted run goes on.  Speed comes first and needs an idle machine; nothing is started that is
estimated to end after `--minutes`.  Real data is looked for below `--data`; a measurement without
its data or its packages is skipped, and the exit status is 1.

`--check` lists the numbers of the pages that the outputs do not contain.  `--copy` copies figures
into docs, and replaces the tables of pages that a command prints as they stand there.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.measurements import DATA, MEASUREMENTS, Measurement
from benchmarks.page_numbers import missing, numbers_of, part
from benchmarks.page_tables import replaced

ROOT = Path(__file__).parent.parent
OUTPUTS = ("*.txt", "*.md", "*/*.txt", "*/*/*.md")


def obstacle(one: Measurement, data: Path | None) -> str | None:
    """Why it cannot run here, if so."""
    absent = [name for name in one.needs if find_spec(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    files = [name for name in shlex.split(one.command) if name in DATA and not locate(name, data)]
    return f"not below --data: {', '.join(files)}" if files else None


def locate(name: str, data: Path | None) -> Path | None:
    """The file that a command calls `name`."""
    return next(iter(sorted(data.rglob(DATA[name]))), None) if data else None


def words_of(command: str) -> tuple[dict[str, str], list[str]]:
    """The variables that a command sets, and its words, with paths that hold in any folder."""
    words = shlex.split(command)
    variables = {}
    while "=" in words[0]:
        name, _, variables[name] = words.pop(0).partition("=")
    beside = Path(sys.executable).parent  # where pip puts programs
    for i, word in enumerate(words):
        if word == "python":
            words[i] = sys.executable
        elif word == "mpiexec":
            words[i] = str(beside / word)
        elif word.endswith(".py"):
            words[i] = str(ROOT / word)
    return variables, words


def run(one: Measurement, folder: Path, data: Path | None) -> dict[str, Any]:
    """Run it in an empty folder; what run.json says of the run, `status` 0 if it succeeded."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    variables, words = words_of(one.command)
    words = [str(locate(w, data).resolve()) if w in DATA else w for w in words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    about = {
        "command": one.command,
        "started": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
        "commit": commit(),
        **machine.describe(),
    }
    before, started = os.times(), time.perf_counter()
    activity = machine.activity()
    with open(folder / "stdout.txt", "w") as out, open(folder / "stderr", "w") as errors:
        done = subprocess.run(
            words, cwd=folder, env=environment, stdout=out, stderr=errors, check=False
        )
    after = os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])
    about |= {
        "status": done.returncode,
        "minutes": round((time.perf_counter() - started) / 60, 2),
        "CPU minutes": round(cpu / 60, 2),
        "disturbances": machine.disturbances(activity, machine.activity()),
    }
    (folder / "run.json").write_text(json.dumps(about, indent=1) + "\n")
    return about


def commit() -> str:
    """What is checked out, and whether files differ from it; empty outside of a repository."""
    try:
        found = subprocess.run(
            ["git", "-C", ROOT, "describe", "--always", "--dirty"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return ""
    return found.stdout.strip()


def finished(folder: Path) -> dict[str, Any] | None:
    """The description of an earlier run, if it succeeded."""
    path = folder / "run.json"
    about = json.loads(path.read_text()) if path.exists() else None
    return about if about and about["status"] == 0 else None


def run_all(names: Sequence[str], options: argparse.Namespace) -> int:
    """Run what is named, in the order of the list; 1 if something failed or was skipped."""
    status, started = 0, time.perf_counter()
    print(f"{machine.describe()['processor']}, {machine.cores()} processors", flush=True)
    for name in names:
        one, folder = MEASUREMENTS[name], options.out / name
        earlier = finished(folder)
        if earlier and not options.again:
            print(f"{name:<20} has run already{_disturbances(one, earlier)}", flush=True)
            continue
        left = options.minutes - (time.perf_counter() - started) / 60
        why = obstacle(one, options.data)
        if why is None and one.minutes > left:
            why = f"takes {one.minutes:g} minutes, {left:.1f} are left"
        if why:
            print(f"{name:<20} skipped: {why}", flush=True)
            status = 1
            continue
        print(f"{name:<20} estimate {one.minutes:5g} min", end="", flush=True)
        about = run(one, folder, options.data)
        told = f", took {about['minutes']:5.1f} min ({about['CPU minutes']:.1f} of CPU time)"
        told += _disturbances(one, about)
        if about["status"]:
            told += f"; FAILED, see {folder / 'stderr'}"
            status = 1
        print(told, flush=True)
    return status


def _disturbances(one: Measurement, about: dict[str, Any]) -> str:
    """What else the machine did while speed was measured."""
    disturbed = about["disturbances"] if one.quiet else []
    return f"; disturbed: {'; '.join(disturbed)}" if disturbed else ""


def check(names: Sequence[str], out: Path) -> int:
    """Print what the pages say and no output of theirs does; 1 if there is something."""
    outputs = {name: output_of(out / name) for name in MEASUREMENTS if finished(out / name)}
    status = 0
    for place in dict.fromkeys(place for name in names for place in MEASUREMENTS[name].places):
        sources = [name for name, one in MEASUREMENTS.items() if place in one.places]
        absent = [name for name in sources if name not in outputs]
        path, _, anchor = place.partition("#")
        first, text = part((ROOT / path).read_text(), anchor)
        numbers = numbers_of(text, first)
        lost = missing(numbers, "\n".join(outputs.get(name, "") for name in sources))
        note = f" (not run: {', '.join(absent)})" if absent else ""
        print(f"{place}: {len(numbers) - len(lost)} of {len(numbers)} numbers are found{note}")
        for number in lost:
            print(f"    {path}:{number.line}: {number.text}")
        status |= bool(lost)
    return status


def output_of(folder: Path) -> str:
    """What a run printed, and the reports that it wrote."""
    files = sorted({path for pattern in OUTPUTS for path in folder.glob(pattern)})
    return "\n".join(path.read_text() for path in files if path.name not in DATA)


def copy(names: Sequence[str], out: Path) -> None:
    """Bring figures and tables of what has run into the pages; print what changed."""
    for name in names:
        if not finished(out / name):
            continue
        for page, made in MEASUREMENTS[name].figures.items():
            new = (out / name / made).read_bytes()
            if not (ROOT / page).exists() or (ROOT / page).read_bytes() != new:
                (ROOT / page).write_bytes(new)
                print(page)
        for page in dict.fromkeys(place.partition("#")[0] for place in MEASUREMENTS[name].places):
            text = (ROOT / page).read_text()
            if (new_text := replaced(text, output_of(out / name))) != text:
                (ROOT / page).write_text(new_text)
                print(page)


def list_all(names: Sequence[str], out: Path) -> None:
    """Print estimates, commands, places, and what has run."""
    for name in names:
        one, about = MEASUREMENTS[name], finished(out / name)
        ran = f"; {about['started']}, {about['minutes']:g} min, {about['commit']}" if about else ""
        print(f"{name}: {one.minutes:g} min{', needs an idle machine' * one.quiet}{ran}")
        print(f"    {one.command}\n    {' '.join([*one.places, *one.figures])}")
    for title, chosen in (("speed", True), ("results", False)):
        total = sum(MEASUREMENTS[n].minutes for n in names if MEASUREMENTS[n].quiet is chosen)
        print(f"{title}: {total:g} minutes")


def main(arguments: Sequence[str] | None = None) -> int:
    """List, run, check, or copy."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--list", action="store_true", help="what there is, and what has run")
    action.add_argument("--check", action="store_true", help="numbers of pages against outputs")
    action.add_argument("--copy", action="store_true", help="bring figures and tables into docs")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="real data is below it")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="in all; default: no limit"
    )
    parser.add_argument("--again", action="store_true", help="also what has run already")
    parser.add_argument("--out", type=Path, default=ROOT / "build/remake", metavar="FOLDER")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in MEASUREMENTS]
    if unknown:
        parser.error(
            f"no such measurement: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}"
        )
    names = [name for name in MEASUREMENTS if not options.names or name in options.names]
    if options.list:
        list_all(names, options.out)
    elif options.copy:
        copy(names, options.out)
    elif options.check:
        return check(names, options.out)
    else:
        return run_all(names, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
