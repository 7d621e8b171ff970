"""Random calls, valid and not: ``python -m tests.fuzz [--cases N | --full] [--seed S]``.

What one case is:

- rounding: an array of 1 to 64 (one in fifty: to 2048) float32 numbers of arbitrary bits into one
  format, by one of the three functions, compared number by number;
- tables: a table, a batch, one lookup and one update, compared bit by bit; in half of the cases one
  thing about the batch is wrong, which must be refused and must leave the table as it was;
- tsv: one file of 0 to 12 lines, sound or damaged, plain or gzip, read whole or in batches;
- files: one file of a table or a model, damaged in its bytes, in its header, or in its description
  with a checksum that fits; it must be refused, or give an object that works.

In three of ten cases the calls of lowprec, and no others, run in another floating-point state of
their thread: subnormal numbers flushed, another direction of rounding, exceptions that end the
process.  The results must be the same, and the state must be there again after each call; where no
such states are known (`tests.processor_states`), there are none.  In three of twenty cases of
tables, weights or states are in read-only memory: lookups are the same, an update is refused.

Cases are a function of (seed, area, number), and what surrounds them is another one, so that a case
has the data that it had before there were such surroundings, but for the tables in read-only
memory, which have one of two formats and any optimizer.  They run in child processes, so that one
that crashes or hangs is counted, named, and left out when its area goes on behind it.  The exit
status is 1 if anything was found.  To see one again: ``--area tables --case 12345 --seed S``.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from tests.fuzz.areas import AREAS, KINDS, NAMES, run_area, run_case, run_cases

FULL = {"rounding": 800_000, "tables": 60_000, "tsv": 60_000, "files": 100_000}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cases", type=int, default=200, help="of each area")
    parser.add_argument("--full", action="store_true", help=f"{sum(FULL.values()):,} cases")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="at most, an area")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="OUT")
    parser.add_argument("--area", choices=list(AREAS))
    parser.add_argument("--case", type=int, help="one case of an area, in this process")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.child:
        first, stop, notes = int(args.child[0]), int(args.child[1]), args.child[2]
        progress = np.memmap(notes, np.int64, "r+", shape=1 + len(NAMES))
        run_cases(args.area, first, stop, args.seed, progress)
        return 0
    if args.case is not None:
        run_case(args.area, args.case, args.seed)
        print("nothing was found")
        return 0
    counts = FULL if args.full else dict.fromkeys(AREAS, args.cases)
    reports = []
    print(f"{'area':10}{'cases':>10}{'seconds':>9}" + "".join(f"{kind:>16}" for kind in KINDS))
    for area in [args.area] if args.area else FULL:
        report = run_area(area, counts[area], args.seed, args.minutes)
        reports.append(report)
        numbers = "".join(f"{report[kind]:16,}" for kind in KINDS)
        print(f"{area:10}{report['cases']:10,}{report['seconds']:9,.0f}{numbers}", flush=True)
        around = [f"{report[name]:,} {name}" for name in NAMES if report[name]]
        print(f"{'':10}{', '.join(around)}", flush=True)
        for found in report["found"]:
            print(f"  {area} case {found['case']}, {found['kind']}: {found['detail']}", flush=True)
    total = sum(report["cases"] for report in reports)
    print(f"{'all':10}{total:10,}")
    if args.json:
        Path(args.json).write_text(json.dumps({"seed": args.seed, "areas": reports}, indent=1))
    return int(any(report["found"] for report in reports))


if __name__ == "__main__":
    sys.exit(main())
