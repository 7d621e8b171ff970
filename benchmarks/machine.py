"""The machine: what it is, and what else it did while something was timed."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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
_TICKS_NOTICED = 5  # and how many of the kernel's clock ticks, for short measurements
_TICK = 1.0 / os.sysconf("SC_CLK_TCK")


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def describe() -> dict[str, Any]:
    """The machine and the software, for reports."""
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "processors": cores(),
        "memory GB": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1e6, 1),
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
    return int(_field("/proc/meminfo", "MemAvailable").split()[0]) * 1024


def peak_memory() -> int:
    """The most memory that this process has had resident, in bytes."""
    return int(_field("/proc/self/status", "VmHWM").split()[0]) * 1024


def activity(processes: Iterable[int] = ()) -> dict[str, float]:
    """The clock, and what the processors did since they started: seconds, and the system's load.

    "own" is the time of this process and of `processes`, "busy" that of all, "stolen" what the
    hypervisor gave to others, and "switches" how often own threads were interrupted for others.
    """
    ticks = [int(n) for n in _text("/proc/stat").splitlines()[0].split()[1:]]
    user, nice, system, _, _, interrupts, soft_interrupts, stolen = ticks[:8]
    own = [os.getpid(), *processes]
    return {
        "clock": time.perf_counter(),
        "load": os.getloadavg()[0],
        "busy": (user + nice + system + interrupts + soft_interrupts) * _TICK,
        "stolen": stolen * _TICK,
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


def _processor_seconds(process: int) -> float:
    fields = _text(f"/proc/{process}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK


def _interruptions(process: int) -> int:
    threads = Path(f"/proc/{process}/task").glob("*/status")
    return sum(int(_field(str(thread), "nonvoluntary_ctxt_switches")) for thread in threads)


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
