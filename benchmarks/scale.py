"""A model of the step of a sharded table on many machines, fitted to steps on one.

    python -m benchmarks.scale --measure --measured ranks.json

runs `benchmarks.ranks` on 1, 2 and 4 ranks of this machine, each with one thread and batches of
1,024 and 4,096 samples, and writes what they measured to ranks.json.  It then prints the model
beside what was measured, and what it expects of more ranks: see docs/scale.md.  Without --measure,
it reads the file.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.data import FEATURES, row_of_rank, shares_of_ranks
from benchmarks.report import markdown_table

MEASURED = Path(__file__).parent.parent / "docs" / "ranks.json"
STORED, ROW_NUMBER = 2, 4  # bytes of a number of a float16 table, and of a row's number
WIRES = {"float32": 4, "float16": 2}  # bytes of a number of a gradient
HEADERS = 104  # bytes of flags and counts that a rank sends to each other one, a step
ROUNDS, WITH_ROWS = 10, 4  # of messages in a step; how many of them carry rows
OWNERS_SHARE = 0.6  # of CPU time: adding up gradients and stepping rows
LATENCY, PER_MESSAGE = 2e-6, 5e-7  # seconds of a stage of a collective, and to send a message
USABLE = 0.7  # share of a link's rate that an all-to-all reaches
LINKS = (25, 100, 400)  # Gb/s of each rank, both ways
SAMPLES = 512  # of a rank: one part of dense layers
DENSE = 1_000_000  # parameters of dense layers
_HEAD = 1 << 17  # the most frequent ids, which are looked at one by one


class Case(NamedTuple):
    """A job: `rows` are those of each of the FEATURES, `batch` the samples of all ranks."""

    ranks: int
    batch: int
    rows: int
    columns: int
    ids: str
    wire: str


@functools.cache
def distinct(case: Case) -> float:
    """How many rows a rank is expected to look up, of all features."""
    samples = case.batch / case.ranks
    shares, counts = shares_of_ranks(case.rows, case.ids, _HEAD)
    return FEATURES * float((counts * -np.expm1(samples * np.log1p(-shares))).sum())


@functools.cache
def imbalance(case: Case) -> float:
    """What the busiest owner is sent, over the mean of the owners."""
    if case.ids == "uniform" or case.ranks == 1:
        return 1.0
    shares, counts = shares_of_ranks(case.rows, case.ids, _HEAD)
    single = counts == 1
    head = shares[single]
    places = row_of_rank(np.arange(head.size), case.rows)
    load = np.zeros(case.ranks)
    for feature in range(FEATURES):
        owners = (feature * case.rows + places) % case.ranks
        load += np.bincount(owners, head, case.ranks)
    load += FEATURES * float((shares * counts)[~single].sum()) / case.ranks
    return float(load.max() / load.mean())


def bytes_of_rank(case: Case, *, busiest: bool = False) -> float:
    """What a rank sends in a lookup and an update, or what the busiest owner gets."""
    others = (case.ranks - 1) / case.ranks
    ids = FEATURES * case.batch / case.ranks * (imbalance(case) if busiest else 1.0)
    rows = distinct(case) * (ROW_NUMBER + STORED * case.columns)
    gradients = ids * (ROW_NUMBER + WIRES[case.wire] * case.columns)
    return others * (rows + gradients) + HEADERS * (case.ranks - 1)


class Cpu(NamedTuple):
    """CPU time of a rank in ms: ``step + ids * (own + others * (ranks - 1) / ranks)``."""

    step: float
    own: float
    others: float

    def of(self, case: Case) -> float:
        """Of a rank with the mean load."""
        return float(_terms(case) @ np.array(self))


def _terms(case: Case) -> np.ndarray:
    ids = FEATURES * case.batch / case.ranks
    return np.array([1.0, ids, ids * (case.ranks - 1) / case.ranks])


def fitted(measured: Sequence[tuple[Case, dict[str, Any]]]) -> Cpu:
    """By least squares of relative errors."""
    times = np.array([row["cpu_ms"] for _, row in measured])
    terms = np.array([_terms(case) for case, _ in measured]) / times[:, None]
    return Cpu(*np.linalg.lstsq(terms, np.ones(len(times)), rcond=None)[0].tolist())


def read(path: Path) -> list[tuple[Case, dict[str, Any]]]:
    """What `benchmarks.ranks` measured."""
    rows = json.loads(path.read_text())
    return [(Case(*(row[name] for name in Case._fields)), row) for row in rows]


def fits_of(measured: Sequence[tuple[Case, dict[str, Any]]]) -> dict[tuple[str, str], Cpu]:
    """A fit for each kind of ids and wire."""
    kinds = dict.fromkeys((case.ids, case.wire) for case, _ in measured)
    return {kind: fitted([m for m in measured if m[0][4:] == kind]) for kind in kinds}


def checked_table(measured: Sequence[tuple[Case, dict[str, Any]]]) -> str:
    """The model beside what was measured."""
    fits, rows = fits_of(measured), []
    for case, found in measured:
        sent, cpu = case.ranks * bytes_of_rank(case), fits[case[4:]].of(case)
        rows.append([
            str(case.ranks), f"{case.batch:,}", case.ids, case.wire,
            f"{found['bytes'] / 1e6:.2f}", f"{sent / 1e6:.2f}", f"{found['cpu_ms']:.1f}",
            f"{cpu:.1f}",
        ])  # fmt: skip
    header = [
        "ranks", "samples", "ids", "wire", "MB, measured", "MB, model", "CPU ms, measured",
        "CPU ms, model",
    ]  # fmt: skip
    return markdown_table(header, rows)


def step_ms(case: Case, cpu: Cpu, gigabits: float) -> float:
    """A lookup, an update and the sum of dense gradients, on the rank that takes longest."""
    owner = 1.0 + OWNERS_SHARE * (imbalance(case) - 1.0)
    dense = 8 * DENSE * (case.ranks - 1) / case.ranks
    transfer = (bytes_of_rank(case, busiest=True) + dense) * 8 / (USABLE * gigabits * 1e9)
    waiting = ROUNDS * LATENCY * math.log2(case.ranks) + WITH_ROWS * PER_MESSAGE * (case.ranks - 1)
    return cpu.of(case) * owner * case.columns / 64 + 1e3 * (transfer + waiting)


EXPECTED = [(8, 1e9, 64), (64, 1e10, 64), (256, 1e11, 64), (1024, 2.5e11, 64), (1024, 1e12, 256)]


def expected_table(measured: Sequence[tuple[Case, dict[str, Any]]]) -> str:
    """What the model expects of more ranks, with gradients as float16."""
    fits, rows = fits_of(measured), []
    for ranks, parameters, columns in EXPECTED:
        each = round(parameters / columns / FEATURES)
        for ids in ("uniform", "zipf"):
            case = Case(ranks, SAMPLES * ranks, each, columns, ids, "float16")
            cpu = fits[ids, "float16"]
            rows.append([
                f"{ranks:,}", f"{parameters:.1e}".replace(".0", "").replace("e+", "e"),
                str(columns), ids, f"{parameters * STORED / ranks / 1e9:.2f}",
                f"{bytes_of_rank(case) / 1e6:.1f}", f"{imbalance(case):.2f}",
                *(f"{step_ms(case, cpu, link):.1f}" for link in LINKS),
                f"{case.batch / step_ms(case, cpu, LINKS[1]) / 1e3:.2f}",
            ])  # fmt: skip
    header = [
        "ranks", "parameters", "columns", "ids", "GB of a rank", "MB it sends", "busiest owner",
        *(f"ms at {link} Gb/s" for link in LINKS), f"million samples/s at {LINKS[1]} Gb/s",
    ]  # fmt: skip
    return markdown_table(header, rows)


def measure(path: Path) -> None:
    """Have `benchmarks.ranks` write this file anew."""
    path.unlink(missing_ok=True)
    beside = Path(sys.executable).parent  # where pip puts mpiexec
    launcher = shutil.which("mpiexec", path=str(beside)) or "mpiexec"
    for ranks in ("1", "2", "4"):
        command = [launcher, "-n", ranks, "-genv", "NUMBA_NUM_THREADS", "1", sys.executable]
        command += ["-m", "mpi4py", "-m", "benchmarks.ranks", "--rows", "4e6"]
        command += ["--batch-size", "1024", "4096", "--json", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--measured", type=Path, default=MEASURED)
    parser.add_argument("--measure", action="store_true", help="run `benchmarks.ranks` first")
    options = parser.parse_args(arguments)
    if options.measure:
        measure(options.measured)
    measured = read(options.measured)
    print(checked_table(measured))
    print(expected_table(measured))


if __name__ == "__main__":
    main()
