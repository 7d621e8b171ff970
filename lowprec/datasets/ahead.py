"""Reading ahead: an iterator that runs in its own thread."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

_SECONDS_BETWEEN_LOOKS = 0.1  # of a thread that waits for room, at whether anybody still reads
_SECONDS_UNTIL_DEAD = 1.0


class _Ended:
    """What follows the last item; with the error that ended the iterator, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class ReadAhead(Generic[Item]):
    """The items of an iterator, made by a thread that is up to `depth` items ahead.

    An error of the iterator is raised where its item would have come.  The thread ends with the
    iterator, or when this is closed, collected, or the program ends.

    Parameters
    ----------
    make : callable
        Returns the iterator; called in the thread.
    depth : int
        How many items wait at most, beside the one that is being made.
    """

    def __init__(self, make: Callable[[], Iterator[Item]], depth: int) -> None:
        self._items: queue.Queue[Any] = queue.Queue(depth)
        stop = threading.Event()
        self._thread = threading.Thread(
            target=_work, args=(make, self._items, stop), name="lowprec reads ahead", daemon=True
        )
        # called at the latest when the program ends: before Python is taken from under the thread
        self._end = weakref.finalize(self, _end, stop, self._items, self._thread)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if not self._end.alive:
            raise StopIteration
        found = self._take()
        if not isinstance(found, _Ended):
            return found  # type: ignore[no-any-return]
        self.close()
        if found.error is not None:
            raise found.error
        raise StopIteration

    def close(self) -> None:
        """End the thread, and wait until it has; nothing more comes."""
        self._end()

    def _take(self) -> Any:
        while True:
            try:
                return self._items.get(timeout=_SECONDS_UNTIL_DEAD)
            except queue.Empty:
                if not self._thread.is_alive() and self._items.empty():
                    raise RuntimeError(
                        "the thread that reads ahead is gone, for example after a fork; start "
                        "reading in the process that continues to read"
                    ) from None


def _work(
    make: Callable[[], Iterator[Any]], items: queue.Queue[Any], stop: threading.Event
) -> None:
    """What the thread does; it knows nothing of the `ReadAhead`, which may be collected."""
    last = _Ended()
    try:
        source = make()
        try:
            for item in source:
                if not _put(items, item, stop):
                    return
                del item  # not kept while the next one is made
        finally:
            if hasattr(source, "close"):
                source.close()
    except BaseException as error:
        last = _Ended(error)
    _put(items, last, stop)


def _put(items: queue.Queue[Any], item: Any, stop: threading.Event) -> bool:
    """Wait for room; False if nobody reads any more."""
    while not stop.is_set():
        try:
            items.put(item, timeout=_SECONDS_BETWEEN_LOOKS)
            return True
        except queue.Full:
            pass
    return False


def _end(stop: threading.Event, items: queue.Queue[Any], thread: threading.Thread) -> None:
    stop.set()
    while not items.empty():  # for a thread that waits for room
        try:
            items.get_nowait()
        except queue.Empty:
            break
    if thread is not threading.current_thread():
        thread.join()
