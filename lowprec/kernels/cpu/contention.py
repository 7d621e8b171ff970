"""Fewer threads where other processes need the cores.

A parallel kernel ends with its last thread.  On a busy machine a thread that is woken waits for
milliseconds until it has a core, so a step of many kernels takes many times as long as by one
thread.  Results never depend on the number of threads.  So a Python thread that had to wait for a
core halves the number that it works with, and tries more again later.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

_SCHEDSTAT = "/proc/thread-self/schedstat"
WINDOW = 0.05  # seconds over which waiting is measured
TOO_LONG = 0.2  # share of them in which a thread that could run had no core
IN_A_ROW = 3  # windows: what runs once in a while is no reason
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds until more threads are tried again


class Team:
    """How many threads to work with, of those that are allowed.

    Parameters
    ----------
    waited : callable
        How many seconds the calling thread has waited for a core since it began.
    clock : callable
        Seconds.
    """

    def __init__(self, waited: Callable[[], float], clock: Callable[[], float]) -> None:
        self._waited, self._clock = waited, clock
        self._halvings = self._crowded = 0
        self._pause, self._more_at = FIRST_PAUSE, 0.0
        self._since, self._before = clock(), waited()

    def size(self, allowed: int) -> int:
        """At least 1, and `allowed` where no other process is in the way."""
        now = self._clock()
        if now >= self._since + WINDOW:
            self._look(now, allowed)
        return max(1, allowed >> self._halvings)

    def _look(self, now: float, allowed: int) -> None:
        waited = self._waited()
        share = (waited - self._before) / (now - self._since)
        self._since, self._before = now, waited
        self._crowded = self._crowded + 1 if share > TOO_LONG else 0
        if self._crowded >= IN_A_ROW and allowed >> self._halvings > 1:
            self._crowded = 0
            self._halvings += 1
            self._more_at = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        elif not self._halvings and not self._crowded:
            self._pause = FIRST_PAUSE
        elif self._halvings and now >= self._more_at:
            self._halvings -= 1


def seconds_waited() -> float:
    """How long the calling thread has waited for a core since it began; OSError but on Linux."""
    with open(_SCHEDSTAT, "rb", buffering=0) as file:
        return int(file.read().split()[1]) * 1e-9


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.team: Team | None = None
        with contextlib.suppress(OSError, IndexError):
            self.team = Team(seconds_waited, time.perf_counter)


_of_thread = _OfThread()


def team_of_thread() -> Team | None:
    """The team of the calling thread; None where the system does not tell how long it waits."""
    return _of_thread.team
