"""Ctrl-C in the middle of what must be done as a whole or not at all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from signal import SIGINT, default_int_handler
from typing import Any

try:  # what `signal` wraps: making its enums takes longer than the update of a small batch
    from _signal import getsignal, signal  # type: ignore[import-not-found]
except ImportError:  # of CPython alone
    from signal import getsignal, signal


class Uninterrupted:
    """Raises a Ctrl-C that comes inside a `with` block at its end.

    Python may raise KeyboardInterrupt between a kernel that has written and the line after it.  In
    threads other than the main one, and where a program handles the signal itself, nothing changes.
    """

    def __enter__(self) -> None:
        self._noted = False
        in_main = threading.current_thread() is threading.main_thread()
        self._holds = in_main and getsignal(SIGINT) is default_int_handler
        if self._holds:
            signal(SIGINT, self._note)

    def __exit__(self, *error: object) -> None:
        if self._holds:
            signal(SIGINT, default_int_handler)
            if self._noted:
                raise KeyboardInterrupt("the interrupted write was completed first")

    def _note(self, number: int, frame: Any) -> None:
        self._noted = True


class InterruptedBetweenBatches(KeyboardInterrupt):
    """Ctrl-C, raised when the current batch has ended, so that the model is consistent."""


@contextlib.contextmanager
def interrupted_between_batches() -> Iterator[Callable[[], bool]]:
    """Ctrl-C is noted instead of raised, for a batch to be finished; gives what tells if it was.

    A second Ctrl-C is raised at once.  In threads other than the main one nothing changes.
    """
    noted = False

    def note(number: int, frame: Any) -> None:
        nonlocal noted
        if noted:
            raise KeyboardInterrupt(
                "a second Ctrl-C ended training before the current batch was complete: the model "
                "may have taken part of its step; it is the attribute `model` of this exception"
            )
        noted = True

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or getsignal(SIGINT) is not default_int_handler:
        yield lambda: False
        return
    signal(SIGINT, note)
    try:
        yield lambda: noted
    finally:
        signal(SIGINT, default_int_handler)
