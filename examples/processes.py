"""Functions in fresh processes, whose memory is their own, and how much of it they have."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_in_child(function: Callable[..., Result], *arguments: Any) -> Result:
    """What a function of a module returns when it runs in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory() -> int:
    """The most memory that this process has had resident, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # of this program alone, where getrusage counts what started it
        return _bytes_of("VmHWM", status.read_text())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def watch_memory(every: float, curve: list[tuple[float, int, int]]) -> None:
    """Append (seconds, resident bytes, private bytes) until the process ends; for a thread.

    Private is what this process has written itself.  The rest are pages of programs and libraries,
    which processes share and the system can drop.
    """
    started, status = time.perf_counter(), Path("/proc/self/status")
    while True:
        now = status.read_text()
        resident, private = _bytes_of("VmRSS", now), _bytes_of("RssAnon", now)
        curve.append((time.perf_counter() - started, resident, private))
        time.sleep(every)


def _bytes_of(field: str, status: str) -> int:
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024
