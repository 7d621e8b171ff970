"""The first minutes on a GPU: what must be true before anything is measured, in order.

    python -m tests.first_minutes --out build/first-minutes.md

runs each step in a process of its own, stops at the first one that fails, and writes one report
with every command, its time and the end of what it said.  A tool of NVIDIA's that is not installed
is left out, and the report says so.  All steps take about twenty minutes, ten without the full
benchmark (``--without-benchmark``).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

LAST_LINES = 60  # of what a step says, that the report has


@dataclass(frozen=True)
class Step:
    """A command that must succeed."""

    title: str
    command: Sequence[str]
    minutes: float = 2.0  # after which it is stopped, and has failed
    environment: dict[str, str] = field(default_factory=dict)
    needs: str | None = None  # a program without which the step is left out


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


_IMPORTS = """
import cupy, numba.cuda
from cupy_backends.cuda.libs import cublas, nvrtc
from numba.cuda.cudadrv import nvvm
nvvm.NVVM()
import lowprec.cuda
reason = lowprec.cuda.why_unavailable()
assert not reason, reason
assert not lowprec.cuda.SIMULATED, "NUMBA_ENABLE_CUDASIM is set"
cupy.show_config()
"""
_FIRST_KERNEL = """
import numpy as np, lowprec as lp
x = np.linspace(-3, 3, 1001, dtype=np.float32)
found = [lp.stochastic_round(x, "float16", seed=0, device=name) for name in ("cpu", "cuda")]
assert found[0].tobytes() == found[1].get().tobytes(), "other bits than on the CPU"
"""
_CHECK_BITS = "from benchmarks.gpu import check_bits; print(check_bits(), 'tables agree')"
_QUICK = ("-m", "benchmarks.gpu", "--quick", "--out", "build/first-minutes")
_TESTS = (
    "tests/test_cuda.py", "tests/test_rounding.py", "tests/test_rounding_randomness.py",
    "tests/tables/test_embedding.py", "tests/tables/test_memory_and_views.py",
    "tests/tables/test_bad_batches.py", "tests/models/test_on_cuda.py",
    "tests/models/test_graphs.py",
)  # fmt: skip
# one launch of each of these, of tables that the quick benchmark makes
_KERNELS = r"regex:(_gather|_sum_and_check|_update_rows|_join_dots)"

STEPS = (
    Step("What is needed can be imported", _python("-c", _IMPORTS)),
    Step("The first kernel has the CPU's bits", _python("-c", _FIRST_KERNEL)),
    Step("Tables have the CPU's bits", _python("-c", _CHECK_BITS), minutes=5),
    Step(
        "No kernel touches memory of others",
        ["compute-sanitizer", "--tool", "memcheck", "--error-exitcode", "1", *_python(*_QUICK)],
        minutes=8, needs="compute-sanitizer",
    ),
    Step(
        "What bounds the kernels",
        ["ncu", "--set", "basic", "-k", _KERNELS, "-c", "12", *_python(*_QUICK)],
        minutes=5, needs="ncu",
    ),
    Step(
        "The tests of the CPU, natively",
        _python("-m", "pytest", "-q", "-x", *_TESTS),
        minutes=8,
        environment={"LOWPREC_TEST_DEVICE": "cuda", "LOWPREC_REQUIRE_GPU": "1"},
    ),
    Step(
        "The benchmark", _python("-m", "benchmarks.gpu", "--out", "build/gpu"), minutes=12,
    ),
)  # fmt: skip


def run(steps: Sequence[Step], report: Path) -> bool:
    """Run steps in order until one fails; returns whether none did.

    The report is written after each step, so that it is there whatever happens next.
    """
    said: list[str] = ["# The first minutes on a GPU\n"]
    for step in steps:
        missing = step.needs is not None and shutil.which(step.needs) is None
        if missing:
            passed, entry = True, f"Left out: {step.needs} is not installed.\n"
        else:
            passed, entry = _run(step)
        said.append(f"## {step.title}\n\n{entry}")
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text("\n".join(said))
        print(f"{'left out' if missing else 'passed' if passed else 'FAILED':9}{step.title}")
        if not passed:
            return False
    return True


def _run(step: Step) -> tuple[bool, str]:
    """Whether a step passed, and what the report says of it."""
    started = time.time()
    try:
        done = subprocess.run(
            step.command, env={**os.environ, **step.environment}, timeout=60 * step.minutes,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        passed, ended, output = done.returncode == 0, f"exit status {done.returncode}", done.stdout
    except subprocess.TimeoutExpired as late:
        passed, ended = False, f"stopped after {step.minutes:g} minutes"
        output = (late.stdout or b"").decode(errors="replace")
    except OSError as error:
        passed, ended, output = False, str(error), ""
    before = "".join(f"{name}={value} " for name, value in step.environment.items())
    last = "\n".join(output.splitlines()[-LAST_LINES:])
    command = before + subprocess.list2cmdline(step.command)
    return passed, (
        f"{'Passed' if passed else '**Failed**'}: {ended}, {time.time() - started:.0f} s.\n\n"
        f"```\n$ {command}\n{last}\n```\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; the exit status is 1 if a step failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.first_minutes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("build/first-minutes.md"), metavar="FILE")
    parser.add_argument("--without-benchmark", action="store_true")
    options = parser.parse_args(arguments)
    passed = run(STEPS[:-1] if options.without_benchmark else STEPS, options.out)
    print(options.out)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
