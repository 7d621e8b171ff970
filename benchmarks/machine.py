"""The machine: what it is, and what else it did while something was timed.

What the system alone tells under Linux, such as its caches, is empty elsewhere.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = (
    "lowprec", "numba", "llvmlite", "numpy", "scipy", "torch", "fbgemm-gpu-cpu", "matplotlib",
)  # fmt: skip
SETTINGS = (
    "MALLOC_",
    "THP_",
    "GLIBC_",
    "LD_PRELOAD",
    "GOMP_",
    "OMP_",
    "OPENBLAS_",
    "MKL_",
    "KMP_",
    "NUMBA_",
)
_NOTICED = 0.02  # share of the processors' time that others may take before it is said
_BUSY = ("user", "nice", "system", "irq", "softirq")  # what processors count
_TICKS_NOTICED = 5  # and how many of the kernel's clock ticks, for short measurements
_TICK = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 1.0 / 64


def cores() -> int:
    """How many processors this process may use."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # not on macOS
        return len(process.cpu_affinity())
    return os.cpu_count() or 1


def describe() -> dict[str, Any]:
    """The machine and the software, for reports."""
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "processors": cores(),
        "memory GB": round(psutil.virtual_memory().total / 1e9, 1),
        "last-level cache": _text("/sys/devices/system/cpu/cpu0/cache/index3/size"),
        "transparent huge pages": _text("/sys/kernel/mm/transparent_hugepage/enabled"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What in an environment bears on speed."""
    return {name: environment[name] for name in sorted(environment) if name.startswith(SETTINGS)}


def available_memory() -> int:
    """Bytes that can be allocated without swapping."""
    return int(psutil.virtual_memory().available)


def peak_memory() -> int:
    """The most memory that this process has had resident, in bytes.

    Where the system does not tell, what is resident now.
    """
    if told := _field("/proc/self/status", "VmHWM"):
        return int(told.split()[0]) * 1024
    now = psutil.Process().memory_info()
    return int(getattr(now, "peak_wset", now.rss))


def activity(processes: Iterable[int] = ()) -> dict[str, float]:
    """The clock, and what the processors did since they started: seconds, and the system's load.

    "own" is the time of this process and of `processes`, "busy" that of all, "stolen" what the
    hypervisor gave to others, and "switches" how often own threads were interrupted for others.
    """
    spent = psutil.cpu_times()._asdict()  # what a system does not count is not there
    own = [psutil.Process(number) for number in (os.getpid(), *processes)]
    return {
        "clock": time.perf_counter(),
        "load": psutil.getloadavg()[0],
        "busy": sum(spent.get(kind, 0.0) for kind in _BUSY),
        "stolen": spent.get("steal", 0.0),
        "own": sum(_processor_seconds(process) for process in own),
        "switches": sum(_interruptions(process) for process in own),
    }


def disturbances(before: dict[str, float], after: dict[str, float]) -> list[str]:
    """What else took the processors' time between two activities, where it was noticeable."""
    change = {name: after[name] - before[name] for name in before}
    total = change["clock"] * (os.cpu_count() or 1)
    taken = {
        "the hypervisor": change["stolen"],
        "other programs": change["busy"] - change["own"],
    }
    return [
        f"{who} took {seconds / total:.0%} of the processors"
        for who, seconds in taken.items()
        if seconds > max(_NOTICED * total, _TICKS_NOTICED * _TICK)
    ]


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _interruptions(process: psutil.Process) -> int:
    """Of all its threads, or where the system does not tell them apart, of the process."""
    threads = [str(path) for path in Path(f"/proc/{process.pid}/task").glob("*/status")]
    if not threads:
        return int(process.num_ctx_switches().involuntary)
    return sum(int(_field(thread, "nonvoluntary_ctxt_switches") or 0) for thread in threads)


def _field(path: str, name: str) -> str:
    """The value after `name` in a file of lines such as ``name: value``."""
    lines = (line.partition(":") for line in _text(path).splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")


def _text(path: str) -> str:
    return Path(path).read_text().strip() if Path(path).exists() else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
