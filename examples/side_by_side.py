"""Trainings that take turns, each in its own process, so that their times are comparable.

On a machine that does other work, too, what runs first and what runs last meet different loads.
Where they take turns they meet the same.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

_SPAWN = multiprocessing.get_context("spawn")
_barrier: Any = None  # of a child: where all of them meet


class Turn:
    """The turns of one of `count` processes: all call `begin` and `end` equally often.

    Each is first in one round of `count`, second in another, and so on.
    """

    def __init__(self, number: int, count: int, barrier: Any) -> None:
        self._number, self._count, self._barrier = number, count, barrier
        self._round = 0

    @property
    def _place(self) -> int:
        return (self._number + self._round) % self._count

    def begin(self) -> None:
        """Wait for the turn of this process; before the first, until all have come so far."""
        self._meet(self._place + (self._round == 0))

    def end(self) -> None:
        """Let the others have theirs."""
        self._meet(self._count - self._place)
        self._round += 1

    def _meet(self, times: int) -> None:
        for _ in range(times):
            self._barrier.wait()


def run_side_by_side(
    function: Callable[..., Result], calls: Sequence[tuple[Any, ...]]
) -> list[Result]:
    """What ``function(turn, *arguments)`` returns for each call, in fresh processes.

    An exception in one of them ends all.
    """
    count = len(calls)
    barrier = _SPAWN.Barrier(count)
    with ProcessPoolExecutor(count, _SPAWN, _initialize, (barrier,)) as pool:
        futures = [
            pool.submit(_call, function, number, count, arguments)
            for number, arguments in enumerate(calls)
        ]
    errors = [error for error in (future.exception() for future in futures) if error]
    for error in sorted(errors, key=lambda e: isinstance(e, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]


def run_at_once(jobs: Sequence[tuple[Any, ...]]) -> None:
    """Call functions with their arguments, ``(function, *arguments)``, in a fresh process each."""
    with ProcessPoolExecutor(len(jobs), _SPAWN) as pool:
        for future in [pool.submit(*job) for job in jobs]:
            future.result()


def _initialize(barrier: Any) -> None:
    global _barrier
    _barrier = barrier
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Without the one that was killed, the others would wait for their turns for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(
    function: Callable[..., Result], number: int, count: int, arguments: tuple[Any, ...]
) -> Result:
    try:
        return function(Turn(number, count, _barrier), *arguments)
    except BaseException:
        _barrier.abort()  # the others would wait for this one for ever
        raise
