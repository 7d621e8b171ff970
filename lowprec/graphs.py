"""Work of a GPU that is captured once and repeated in one launch: CUDA graphs.

What differs from one launch to the next is in memory: see `lowprec.kernels.in_memory`.  The
simulator has no graphs: it does the work again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, suppress
from typing import Any

from lowprec.device import Device
from lowprec.kernels.in_memory import cells_of, in_cells
from lowprec.workspace import Workspace

__all__ = ["Captured", "Graphs", "Repeated", "Same", "cells_of", "in_cells"]

_MOST = 8  # graphs that are kept


class Same:
    """An object as a part of a key: equal to itself alone, and kept, so no other gets its place."""

    def __init__(self, what: Any) -> None:
        self._what = what

    def __hash__(self) -> int:
        return id(self._what)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other._what is self._what


class Captured:
    """Work that can be repeated.

    It reads and writes the same arrays each time.  What Python does beside it, such as counting, is
    not repeated.
    """

    def __init__(self, graph: Any, result: Any, memory: list[Any]) -> None:
        self._graph, self._result = graph, result
        self._memory = memory  # of temporary arrays, which are Python's no more

    def launch(self, turn: AbstractContextManager[None]) -> Any:
        """Do the work once more on the current stream; returns a copy of its result, an array.

        `turn` is the block in which all other work asks for the same arrays.
        """
        with turn:
            self._graph.launch()
            return self._result.copy()


class Repeated:
    """The same for the simulator, where the work itself waits for its turn."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work

    def launch(self, turn: AbstractContextManager[None]) -> Any:
        """Do the work once more; returns its result."""
        return self._work()


class Graphs:
    """Graphs of one kind of work, each under a key: all that it depends on.

    They are captured on a stream of their own.  Each keeps the memory of its temporary arrays.

    Attributes
    ----------
    inputs : Workspace
        For what the work reads, where it does not lie at the same place each time.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self.inputs = Workspace(device)
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()  # None until it is captured
        self._stream: Any = None

    def __reduce__(self) -> Any:
        """Copies and pickles begin with none: their arrays are elsewhere."""
        return Graphs, (self._device,)

    def note(self, key: Hashable) -> None:
        """Work with this key was done: its kernels are compiled, and its arrays are made."""
        self._keep(key, None)

    def knows(self, key: Hashable) -> bool:
        """Whether work with this key was done."""
        return key in self._kept

    def of(self, key: Hashable, work: Callable[[], Any]) -> Captured | Repeated:
        """The graph of work that was done before; it must not wait for the GPU."""
        graph = self._kept[key]
        if graph is None:
            graph = self._capture(work)
        self._keep(key, graph)
        return graph  # type: ignore[no-any-return]

    def _keep(self, key: Hashable, graph: Any) -> None:
        """The one that was not used for longest gives way."""
        self._kept[key] = graph
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def _capture(self, work: Callable[[], Any]) -> Captured | Repeated:
        streams = self._device.streams
        if streams is None:
            return Repeated(work)
        if self._stream is None:
            self._stream = streams.Stream(non_blocking=True)
        memory: list[Any] = []
        allocate = streams.get_allocator()

        def keep(nbytes: int) -> Any:
            memory.append(allocate(nbytes))
            return memory[-1]

        with self._stream, streams.using_allocator(keep):
            self._stream.begin_capture()
            try:
                result = work()
            except BaseException:
                with suppress(Exception):  # that nothing was captured
                    self._stream.end_capture()
                raise
            return Captured(self._stream.end_capture(), result, memory)
