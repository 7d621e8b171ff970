"""Runs the cases of an area in child processes, and counts what goes wrong."""

import json
import os
import signal
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

from tests.children import hangs, start
from tests.fuzz.checks import UnclearError, WrongError, check
from tests.fuzz.files import case_of_files
from tests.fuzz.inputs import pick
from tests.fuzz.rounding import case_of_rounding
from tests.fuzz.surroundings import NAMES, surroundings
from tests.fuzz.tables import case_of_tables
from tests.fuzz.tsv import case_of_tsv

THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ONE_THREAD = dict.fromkeys(THREADS, "1")  # arrays are small
KINDS = ("crashes", "hangs", "unclear errors", "wrong answers")
SECONDS_TO_HANG = float(os.environ.get("FUZZ_SECONDS_TO_HANG", "600"))
SHOWN = 20  # findings an area, after which it ends


def case_of_nothing(rng, around):
    """Goes wrong in every way, for the test of this script; no case of a usual run."""
    kind = pick(rng, ["crash", "hang", "unclear", "wrong", "fine", "fine", "fine", "fine"])
    check(kind != "wrong", "a wrong answer")
    if kind == "crash":
        signal.raise_signal(signal.SIGSEGV)
    elif kind == "hang":
        time.sleep(3600)
    elif kind == "unclear":
        np.asarray([[1, 2], [3]])


AREAS = {
    "rounding": case_of_rounding,
    "tables": case_of_tables,
    "tsv": case_of_tsv,
    "files": case_of_files,
    "nothing": case_of_nothing,
}


def run_case(area, number, seed, note=lambda counts: None):
    """One case; what surrounds it is noted before it runs."""
    rng = np.random.default_rng([seed, list(AREAS).index(area), number])
    around = surroundings(rng, area)
    note(around.counts)
    AREAS[area](rng, around)


def run_cases(area, first, stop, seed, progress):
    """Prints findings of cases `first` to `stop` - 1; `progress` has the number of each, and
    counts of what surrounds them, before it runs.

    At once, as what comes next may end the process.
    """
    findings = 0

    def note(counts):
        progress[1:] += counts

    for case in range(first, stop):
        progress[0] = case
        try:
            run_case(area, case, seed, note)
            continue
        except WrongError as error:
            kind, detail = "wrong answers", str(error)
        except UnclearError as error:
            kind, detail = "unclear errors", str(error)
        except Exception:
            kind, detail = "unclear errors", traceback.format_exc(limit=-3)
        print(json.dumps({"case": case, "kind": kind, "detail": detail[:1000]}), flush=True)
        progress[0], findings = case + 1, findings + 1
        if findings >= SHOWN:
            return
    progress[0] = stop


def run_in_child(area, first, stop, seed):
    """(findings, the first case that is left, seconds, counts of surroundings)."""
    with tempfile.TemporaryDirectory() as home:
        notes = np.memmap(Path(home, "case"), np.int64, "w+", shape=1 + len(NAMES))
        notes[0] = first
        command = ["-m", "tests.fuzz", "--area", area, "--seed", seed]
        command += ["--child", first, stop, Path(home, "case")]
        with open(Path(home, "stderr"), "w+") as errors:
            began = time.monotonic()
            child = start(*command, stderr=errors, **ONE_THREAD)
            hung = hangs(child, lambda: int(notes[0]), SECONDS_TO_HANG)
            seconds, (case, *counts) = time.monotonic() - began, notes.tolist()
            text, _ = child.communicate()
            errors.seek(0)
            tail = errors.read()[-1000:]
    found = [json.loads(line) for line in text.splitlines()]
    if hung:
        found.append({"case": case, "kind": "hangs", "detail": f"{SECONDS_TO_HANG} s"})
    elif child.returncode != 0:
        detail = f"exit status {child.returncode}: {tail}"
        found.append({"case": case, "kind": "crashes", "detail": detail})
    else:
        return found, case, seconds, counts
    return found, case + 1, seconds, counts


def run_area(area, cases, seed, minutes, at_once=5_000):
    """The report of an area; no child begins after so many minutes."""
    deadline = time.monotonic() + 60 * minutes
    findings, first, seconds, done, around = [], 0, 0.0, 0, [0] * len(NAMES)
    while first < cases and len(findings) < SHOWN and time.monotonic() < deadline:
        stop = min(first + at_once, cases)
        found, next_case, took, counts = run_in_child(area, first, stop, seed)
        findings += found
        seconds += took
        done += next_case - first
        around = [sum(pair) for pair in zip(around, counts, strict=True)]
        first = next_case
    counts = {kind: sum(found["kind"] == kind for found in findings) for kind in KINDS}
    row = {"area": area, "cases": done, **dict(zip(NAMES, around, strict=True))}
    return {**row, "seconds": round(seconds, 1), **counts, "found": findings}
