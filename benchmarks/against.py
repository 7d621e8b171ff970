"""Is this checkout slower than another one, such as the commit before?

    git worktree add /tmp/base HEAD~1
    python -m benchmarks.against /tmp/base

times steps of tables and models in both.  Each checkout has a process of its own, because the
second copy of the library in one process is several times slower.  The processes make the same
tables and batches, and take turns.  A ratio above 1 means that this checkout is slower.  To measure
the noise of the machine, compare with a second checkout of the same commit.

`--threads` limits Numba's kernels; matrix products of a DLRM use the largest number throughout.
With `--compile`, the first use of the library is timed instead, with empty caches.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks import child, machine, timing

SIDES = ("this", "other")
_MAX_STEPS = 10_000
_DLRM_DIM = 16
# What options are unless they are given.  A turn takes so many seconds at least, in as many steps
# as that needs.
_DEFAULTS = {
    "rounds": 15, "dims": [1, 16, 17, 64], "dtypes": ["float32", "float16"],
    "threads": sorted({1, machine.cores()}), "rows": 1e6, "batch": 4096, "turn": 0.03,
}  # fmt: skip
_QUICK = {
    "rounds": 3, "dims": [16], "dtypes": ["float16"], "threads": [1], "rows": 1e4, "batch": 256,
    "turn": 0.001,
}  # fmt: skip
_COMPILE = {"rounds": 5}


def turns(rounds: int) -> list[tuple[str, ...]]:
    """Who goes first and who second in each round: ABBA, so that neither gains by its place."""
    return [SIDES if number % 2 == 0 else SIDES[::-1] for number in range(rounds)]


def steps_of_turn(seconds: float, turn: float) -> int:
    """How many steps of `seconds` each fill a turn."""
    return min(_MAX_STEPS, max(1, math.ceil(turn / seconds)))


def summary(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Medians of both sides, and of the ratios this / other of each round, with quartiles."""
    ratio = timing.ratio(seconds["other"], reference=seconds["this"])
    return {side: timing.spread(seconds[side]).median for side in SIDES} | {
        "ratio": ratio.median, "quartiles": [ratio.low, ratio.high],
    }  # fmt: skip


def settings(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What both sides make: tables with large batches, one with a small batch, and small models."""
    small, middle = max(1, options.batch // 32), max(1, options.batch // 8)
    works = [("table", dim, options.batch) for dim in options.dims] + [
        ("table", 1, small), ("DLRM", _DLRM_DIM, middle), ("LogisticRegression", 1, middle),
    ]  # fmt: skip
    for (work, dim, batch), dtype, threads in product(works, options.dtypes, options.threads):
        yield {
            "work": work, "dtype": dtype, "dim": dim, "threads": threads, "batch": batch,
            "rows": int(options.rows),
        }  # fmt: skip


def environment(checkout: Path, threads: int) -> dict[str, str]:
    """The environment of a checkout's process: its most threads, and a cache per state of sources.

    The cache is the one of the checkout's tests; or `NUMBA_CACHE_DIR`, if that is set.
    """
    digest = hashlib.sha256()
    for path in sorted((checkout / "lowprec").rglob("*.py")):
        digest.update(path.read_bytes())
    cache = checkout / ".numba_cache" / digest.hexdigest()[:16]
    found = {"NUMBA_CACHE_DIR": str(cache), **child.environment(threads)}
    return found | {"NUMBA_NUM_THREADS": str(threads)}


def compare_steps(checkouts: dict[str, Path], options: argparse.Namespace) -> Iterator[dict]:
    """Each step of each setting, timed in turns by one long-lived process per checkout."""
    with ExitStack() as stack:
        sides = {}
        for name, path in checkouts.items():
            arguments = ("benchmarks.checkout:steps", {"checkout": str(path)})
            process = child.Child(*arguments, environment(path, max(options.threads)))
            sides[name] = stack.enter_context(process)
        pids = [process.pid for process in sides.values()]
        for setting in settings(options):
            warm = {name: process(setting) for name, process in sides.items()}
            for step in warm["this"]:
                slowest = max(seconds[step] for seconds in warm.values())
                count = steps_of_turn(slowest, options.turn)
                seconds: dict[str, list[float]] = {name: [] for name in SIDES}
                before = machine.activity(pids)
                for number, order in enumerate(turns(options.rounds)):
                    for name in order:
                        time.sleep(timing.PAUSE)
                        question = {"step": step, "first": number * count, "count": count}
                        seconds[name].append(sides[name](question))
                disturbed = machine.disturbances(before, machine.activity(pids))
                found = {"count": count, "seconds": seconds, "disturbed": disturbed}
                yield {"step": step, **setting, **found}


def compare_first_use(checkouts: dict[str, Path], options: argparse.Namespace) -> Iterator[dict]:
    """The first use of the library with empty caches, in a new process each time."""
    setting = {"dtype": "float16", "dim": 64}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
    for name in (name for order in turns(options.rounds) for name in order):
        with tempfile.TemporaryDirectory() as empty:
            caches = {"NUMBA_CACHE_DIR": f"{empty}/numba", "LOWPREC_CACHE_DIR": f"{empty}/lowprec"}
            variables = environment(checkouts[name], max(options.threads)) | caches
            arguments = {"checkout": str(checkouts[name]), **setting}
            found[name].append(child.call("benchmarks.checkout:first_use", arguments, variables))
    for step in found["this"][0]:
        seconds = {name: [times[step] for times in found[name]] for name in SIDES}
        yield {"step": step, **setting, "threads": max(options.threads), "seconds": seconds}


# --- the report ---

_LABELS = ("step", "dtype", "dim", "threads", "batch")
_ROW = "{:<18} {:>14} {:>4} {:>7} {:>6} {:>11} {:>11} {:>13}   {:<14}   {}"


def line(result: dict[str, Any]) -> str:
    """A row of the printed table."""
    labels = [str(result.get(name, "")) for name in _LABELS]
    low, high = result["quartiles"]
    times = [duration(result[side]) for side in SIDES]
    ratio = (f"{result['ratio']:.3f}", f"{low:.3f} to {high:.3f}")
    return _ROW.format(*labels, *times, *ratio, "; ".join(result.get("disturbed", []))).rstrip()


def duration(seconds: float) -> str:
    """Seconds in a unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3f} {unit}"
    return f"{seconds / 1e-6:.1f} us"


def commit(checkout: Path) -> str:
    """The commit of a checkout, with "-dirty" if files were changed; empty without git."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, help="the root of the checkout to compare with")
    parser.add_argument("--rounds", type=int, help="pairs of turns; 15, or 5 with --compile")
    parser.add_argument("--dims", type=int, nargs="+", help="columns of the tables")
    parser.add_argument("--dtypes", nargs="+", help="how tables are stored")
    parser.add_argument("--threads", type=int, nargs="+", help="of the kernels")
    parser.add_argument("--rows", type=float, help="of all features together")
    parser.add_argument("--batch", type=int, help="samples of a large batch")
    parser.add_argument("--quick", action="store_true", help="small sizes: a check that it runs")
    parser.add_argument("--compile", action="store_true", help="time the first use instead")
    parser.add_argument("--out", type=Path, help="a JSON file for every time")
    parser.set_defaults(**_DEFAULTS)
    chosen = parser.parse_args(arguments)
    parser.set_defaults(**(_QUICK if chosen.quick else _COMPILE if chosen.compile else {}))
    options = parser.parse_args(arguments)
    options.other = options.other.resolve()
    if not (options.other / "lowprec" / "__init__.py").exists():
        parser.error(f"there is no lowprec in {options.other}")
    if not 1 <= min(options.threads) <= max(options.threads) <= machine.cores():
        parser.error(f"--threads must be from 1 to {machine.cores()}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def main() -> None:
    """Print the times of both checkouts and their ratios."""
    options = parse_arguments()
    checkouts = {"this": child.ROOT, "other": options.other}
    about = machine.describe()
    print(f"{about['processor']}, {about['processors']} processors")
    for name, path in checkouts.items():
        print(f"{name}: {path} {commit(path)}")
    header = (*_LABELS, *SIDES, "this / other", "quartiles", "disturbed")
    print("\n" + _ROW.format(*header), flush=True)
    compare = compare_first_use if options.compile else compare_steps
    results = []
    for result in compare(checkouts, options):
        results.append(result | summary(result["seconds"]))
        print(line(results[-1]), flush=True)
    if options.out:
        sides = {name: {"path": str(p), "commit": commit(p)} for name, p in checkouts.items()}
        found = {"machine": about, "checkouts": sides, "results": results}
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
