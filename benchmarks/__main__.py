"""Run every benchmark and write ``results.md``, ``results.json`` and figures.

    python -m benchmarks --out build/benchmarks

Other libraries are compared with where they are installed.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    child,
    dlrm,
    figures,
    generators,
    limits,
    logistic,
    machine,
    memory,
    report,
    table_step,
)
from benchmarks.results import Comparison, Options

# In the order in which they run.  A suite is a module with a TITLE and `jobs(options)`.
SUITES = {
    "limits": limits,
    "table": table_step,
    "generators": generators,
    "dlrm": dlrm,
    "logistic": logistic,
    "memory": memory,
}


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=list(SUITES))
    parser.add_argument(
        "--threads", nargs="+", type=int, help="default: 1, and 2 where there are as many cores"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything run?")
    parser.add_argument("--seed", type=int, default=0, help="of ids and gradients; default 0")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"), metavar="DIR")
    options = parser.parse_args(arguments)
    cores = machine.cores()
    options.threads = sorted(set(options.threads or (1, min(2, cores))))
    if not 1 <= options.threads[0] <= options.threads[-1] <= cores:
        parser.error(f"--threads must be from 1 to {cores}, the number of cores")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites; the exit status says whether a part of them failed."""
    options = parse_arguments(arguments)
    started = time.time()
    about = {
        "command": f"python -m benchmarks {shlex.join(arguments or sys.argv[1:])}".strip(),
        "started": time.strftime("%Y-%m-%d %H:%M", time.gmtime(started)) + " UTC",
        **machine.describe(),
        "environment": machine.settings(child.environment(options.threads[-1])),
    }
    comparisons: list[Comparison] = []
    failures: list[str] = []
    titles = {name: SUITES[name].TITLE for name in options.suites}
    for name in options.suites:
        jobs = SUITES[name].jobs(Options(tuple(options.threads), options.quick, options.seed))
        for number, job in enumerate(jobs, 1):
            print(f"{time.time() - started:5.0f} s  {name} {number}/{len(jobs)}", flush=True)
            try:
                comparisons += job()
            except child.ChildError as error:
                failures.append(f"{name}, part {number} of {len(jobs)}: {error}")
                print(failures[-1], file=sys.stderr)
            report.write(options.out, comparisons, about, failures, titles)
    about["seconds"] = f"{time.time() - started:.0f}"
    drawn, problem = figures.draw(comparisons, options.out)
    if problem:
        about["figures"] = problem
    report.write(options.out, comparisons, about, failures, titles, drawn)
    print(f"{options.out / 'results.md'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
