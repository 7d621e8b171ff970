"""How long each example takes on this machine with its default options, compiling everything.

    python -m benchmarks.durations
    python -m benchmarks.durations rng speed

Ends with status 1 if one of them took longer than `--limit`, the two minutes of docs/claims.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLES = ("criteo", "own_loop", "convergence", "rng", "parity", "memory", "speed", "word2vec")
LIMIT = 120.0


def seconds_of(script: Path) -> float:
    """Of a script in a fresh process, with an empty cache of compiled kernels.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": f"{folder}/cache"}
        environment.pop("LOWPREC_CACHE_DIR", None)  # which would come first
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, script.resolve()],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{script.name} failed:\n{done.stderr[-2000:]}")
    return seconds


def main(arguments: list[str] | None = None) -> int:
    """Print the seconds of each; 1 if one of them took too long, else 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=EXAMPLES, metavar="NAME")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds; default 120")
    parser.add_argument(
        "--folder", type=Path, default=Path(__file__).parent.parent / "examples",
        help="of the scripts; default: examples",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    status = 0
    for name in options.names:
        seconds = seconds_of(options.folder / f"{name}.py")
        late = seconds > options.limit
        status |= late
        print(f"{name:<12}{seconds:6.0f} s{'  too long' if late else ''}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
