"""Functions in fresh processes, whose memory is their own, and how much of it they have."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psutil

Result = TypeVar("Result")


def run_in_child(function: Callable[..., Result], *arguments: Any) -> Result:
    """What a function of a module returns when it runs in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory() -> int:
    """The most memory that this process has had resident, in bytes, as the system tells it.

    Where it tells none, what is resident now.
    """
    status = Path("/proc/self/status")
    if status.exists():  # Linux; of this program alone, where getrusage counts what started it
        lines = (line.split() for line in status.read_text().splitlines())
        return next(int(fields[1]) for fields in lines if fields[0] == "VmHWM:") * 1024
    now = psutil.Process().memory_info()
    if hasattr(now, "peak_wset"):  # Windows
        return int(now.peak_wset)
    try:
        import resource
    except ImportError:
        return int(now.rss)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def watch_memory(every: float, curve: list[tuple[float, int, int]]) -> None:
    """Append (seconds, resident bytes, private bytes) until the process ends; for a thread.

    Private is what this process has written itself.  The rest are pages of programs and libraries,
    which processes share and the system can drop.
    """
    started, process = time.perf_counter(), psutil.Process()
    while True:
        now = process.memory_info()
        seconds = time.perf_counter() - started
        curve.append((seconds, now.rss, _private_bytes(process, now)))
        time.sleep(every)


def _private_bytes(process: psutil.Process, now: Any) -> int:
    if hasattr(now, "shared"):  # Linux
        return int(now.rss - now.shared)
    return int(process.memory_full_info().uss)  # which takes longer
