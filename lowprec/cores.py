"""How many cores this process may use: by its affinity, and by the CPU quota of its cgroups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_MEMBERSHIP = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")


def allowed_cores() -> int:
    """The smaller of the cores of this process and of its quota, rounded up; at least 1."""
    return max(1, math.ceil(min(_affinity(), quota())))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota(membership: Path = _MEMBERSHIP, cgroups: Path = _CGROUPS) -> float:
    """How many cores' time this process may take; inf if there is no limit.

    A group has at most what the groups around it have.  In a container, what `membership` names
    may lie outside of what can be seen; the quota is then that of the root.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # a system without cgroups
        return math.inf
    return min((of for line in lines for of in _quotas(line, cgroups)), default=math.inf)


def _quotas(line: str, cgroups: Path) -> Iterator[float]:
    """Of a group that a line of /proc/self/cgroup names, and of those around it."""
    _, _, rest = line.partition(":")
    controllers, _, group = rest.partition(":")
    if controllers and "cpu" not in controllers.split(","):
        return
    root = cgroups / controllers  # version 2 names no controllers and has one tree
    places = Path(group.lstrip("/"))
    for place in (places, *places.parents):
        folder = root / place
        if controllers:
            yield _ratio(_words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us"))
        else:
            yield _ratio(_words(folder / "cpu.max"))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:  # the root has no such file
        return []


def _ratio(words: list[str]) -> float:
    """Time by period, in cores; "max" and -1 are no limit."""
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return math.inf
    time, period = map(int, words)
    return time / period if time and period else math.inf
