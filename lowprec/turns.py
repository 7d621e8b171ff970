"""Whose turn it is: who changes an object, and who needs it unchanged for a while."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from lowprec.interrupts import Uninterrupted

_Turn = tuple[int, int, bool]  # the process, the thread, and whether it changes the object


class Turns:
    """Calls on one object in the order in which they came, one at a time.

    A call that changes it is `alone`: a second one at the same time is a mistake, as nobody could
    say which comes first, and is a RuntimeError.  A call that reads all of it, to save or to copy
    it, has the object `unchanged`: it waits for the current change, and changes wait for it.
    """

    def __init__(self) -> None:
        self._queue: list[_Turn] = []  # the first one is inside, the others wait
        self._mutex = threading.RLock()  # a signal handler may come here while its thread is here
        self._moved = threading.Condition(self._mutex)

    def __reduce__(self) -> Any:
        """Copies and pickles begin with nobody inside."""
        return Turns, ()

    def alone(self, what: str) -> AbstractContextManager[None]:
        """To change the object; RuntimeError if another call does, or waits to do so.

        For where Ctrl-C is held back.
        """
        return _Alone(self, what)

    @contextmanager
    def unchanged(self, what: str) -> Iterator[None]:
        """To read the object: waits for its turn; RuntimeError if that would be for ever.

        It may be called within itself.
        """
        turn = (os.getpid(), threading.get_ident(), False)
        if self._queue[:1] == [turn]:
            yield
            return
        try:
            self.take(turn, what)
            yield
        finally:
            with Uninterrupted():
                self.leave(turn)

    def take(self, turn: _Turn, what: str) -> None:
        """Stand in line until it is this one's turn."""
        with self._mutex:
            if self._queue:
                self._check(*turn, what)
            self._queue.append(turn)
            while self._queue[0] is not turn:
                self._moved.wait()

    def _check(self, process: int, thread: int, changes: bool, what: str) -> None:
        """RuntimeError if the turn will never come, or must not."""
        another_changes = any(other[2] for other in self._queue)
        if any(other[0] != process for other in self._queue):
            if another_changes:
                raise RuntimeError(f"{what} in a process that was forked while it was changed")
            self._queue.clear()  # those who read it are in the other process
        if changes and another_changes:
            raise RuntimeError(f"{what} by two calls at once; only one at a time is allowed")
        if any(other[1] == thread for other in self._queue):
            raise RuntimeError(
                f"{what} in the middle of a call on it in the same thread, such as by a signal "
                "handler"
            )

    def leave(self, turn: _Turn) -> None:
        """Give the turn to the next one."""
        with self._mutex:
            self._queue = [other for other in self._queue if other is not turn]
            if self._queue:
                self._moved.notify_all()


class _Alone:
    """`Turns.alone`: not a generator, as each step of training enters two of these."""

    __slots__ = ("_turn", "_turns", "_what")

    def __init__(self, turns: Turns, what: str) -> None:
        self._turns, self._what = turns, what

    def __enter__(self) -> None:
        self._turn = (os.getpid(), threading.get_ident(), True)
        try:
            self._turns.take(self._turn, self._what)
        except BaseException:
            self._turns.leave(self._turn)
            raise

    def __exit__(self, *error: object) -> None:
        self._turns.leave(self._turn)


class OwnTurns:
    """An attribute of a class: the `Turns` of each of its objects."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:  # asked of the class
            return self
        # one dict operation, so that two threads get the same one
        return vars(owner).setdefault(self._name, Turns())
