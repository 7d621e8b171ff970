"""What Python takes to launch the kernels of a GPU: no GPU is needed.

    python -m benchmarks.launches

prints, in microseconds, the least time of one launch, of a step of a table (`batch`, `lookup`,
`update`), and of a step of DLRM as it is and captured as a CUDA graph, with the compiler and CuPy
replaced by NumPy arrays that are never read and by functions that do nothing.  So it is the time of
lowprec's own code: CuPy's launch, sort, products and sums come on top.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

import lowprec as lp
import lowprec.cuda
from lowprec.kernels.cuda import cubin, launch
from lowprec.models import graphs, steps
from lowprec.models.data import Labelled

_ROUNDS, _CALLS = 30, 20
_FEATURES, _BATCH, _DIM = 26, 4096, 64


class Array(np.ndarray):
    """An array as CuPy has them, of which no number is ever asked for, but what was zero is."""

    @property
    def data(self) -> Any:
        """Where it is: arrays of other sizes lie elsewhere."""
        return _memory(self.nbytes)

    __cuda_array_interface__ = property(lambda self: self.__array_interface__)

    def sort(self, *args: Any, **kwargs: Any) -> None: ...
    def fill(self, value: Any) -> None: ...
    def set(self, values: Any, stream: Any) -> None:
        """A copy from the host."""

    def sum(self, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Of a GPU's array: a number of the GPU, or some."""
        return 0 if axis is None else self[:1]

    def __matmul__(self, other: Any) -> Any:
        return _empty((len(self), other.shape[1]))


@functools.cache
def _memory(nbytes: int) -> Any:
    return SimpleNamespace(ptr=(nbytes + 1) << 8, device_id=0)


@functools.cache
def _empty(shape: tuple[int, ...]) -> Any:
    return np.zeros(shape, np.float32).view(Array)


def _made(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*args, **kwargs).view(Array)


class Stream:
    """A stream, and a graph that was captured on it."""

    ptr = 0

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy

    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> None: ...
    def wait_event(self, event: Any) -> None: ...
    def begin_capture(self) -> None: ...
    def is_capturing(self) -> bool:
        """Whether it is."""
        return False

    def end_capture(self) -> Stream:
        """The graph."""
        return self

    def launch(self) -> None:
        """Repeat what was captured."""
        self._cupy.launches += 1


class Cupy(ModuleType):
    """CuPy, whose GPU does nothing."""

    ndarray = Array

    def __init__(self) -> None:
        super().__init__("cupy")
        self.launches = 0
        self.cuda = self
        self.device = SimpleNamespace(get_device_id=lambda: 0)
        self.function = SimpleNamespace(Module=lambda: self, CPointer=int)
        self.load = lambda code: None
        stream = Stream(self)
        self.get_current_stream = lambda: stream
        self.Stream = lambda non_blocking: Stream(self)
        self.Event = lambda disable_timing: SimpleNamespace(
            record=lambda stream: None, synchronize=lambda: None
        )
        self.get_allocator = lambda: None
        self.using_allocator = lambda allocate: nullcontext()
        self.alloc_pinned_memory = bytearray
        self.get_function = lambda name: self._launch
        self.matmul = lambda x, weight, out: None

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        made = ("asarray", "ascontiguousarray", "empty", "zeros", "ones", "arange", "where")
        return _made(found) if name in made else found

    def Device(self, number: int) -> Any:  # noqa: N802
        """The only one."""
        return SimpleNamespace(compute_capability="90")

    def _launch(self, blocks: Any, block: Any, pointers: Any) -> None:
        self.launches += 1


def stand_in() -> Cupy:
    """Let ``device="cuda"`` work where there is no GPU, for calls whose results nobody reads."""
    cupy = Cupy()
    sys.modules["cupy"] = cupy
    lowprec.cuda.why_unavailable = lambda: ""
    cubin.compile_kernel = lambda run, types, capability: ("kernel", b"")  # type: ignore[assignment]
    cubin.storage.read = lambda name: None  # type: ignore[assignment]
    cubin.storage.writes = lambda: False  # type: ignore[assignment]
    return cupy


def least(call: Callable[[], object]) -> float:
    """Microseconds of one call."""
    call()
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for _ in range(_CALLS):
            call()
        times.append(time.perf_counter() - start)
    return 1e6 * min(times) / _CALLS


def measure() -> dict[str, tuple[float, int]]:
    """The time of each launch of a step, and of its parts, with the number of launches."""
    cupy = stand_in()
    table = lp.EmbeddingTable(
        [1000] * _FEATURES, _DIM, "float16", optimizer=lp.Adagrad(0.1), device="cuda",
        on_nonfinite="skip",
    )  # fmt: skip
    ids = np.zeros((_BATCH, _FEATURES), np.int64).view(Array)
    out = np.zeros((*ids.shape, _DIM), np.float32).view(Array)
    found: dict[str, tuple[float, int]] = {}
    given: dict[str, Any] = {}
    original = launch.launch

    def note(kernel: Any, threads: int, *arguments: Any) -> None:
        given[kernel.__name__] = (kernel, threads, *arguments)
        original(kernel, threads, *arguments)

    modules = [sys.modules[name] for name in sys.modules if name.startswith("lowprec.kernels.cuda")]
    users = [each for each in modules if getattr(each, "launch", None) is original]

    def step() -> None:
        batch = table.batch(ids)
        table.lookup(batch, out=out)
        table.update(batch, out)

    for module in users:
        module.launch = note  # type: ignore[attr-defined]
    step()
    for module in users:
        module.launch = original  # type: ignore[attr-defined]
    for name, arguments in given.items():
        found[name] = (least(lambda arguments=arguments: original(*arguments)), 1)
    batch = table.batch(ids)
    for name, call in (
        ("batch", lambda: table.batch(ids)),
        ("lookup", lambda: table.lookup(batch, out=out)),
        ("update", lambda: table.update(batch, out)),
        ("all", step),
    ):
        before = cupy.launches
        call()
        launches = cupy.launches - before
        found[name] = (least(call), launches)
    for name, cuda_graph in (("DLRM", False), ("captured", True)):
        found[name] = measure_dlrm(cupy, cuda_graph)
    return found


def measure_dlrm(cupy: Cupy, cuda_graph: bool) -> tuple[float, int]:
    """The time of a step of DLRM from samples of the host, and its launches."""
    dense, ids, y = (
        np.zeros((_BATCH, 13), np.float32), np.zeros((_BATCH, _FEATURES), np.int64),
        np.arange(_BATCH) % 2,
    )  # fmt: skip
    model = lp.DLRM(
        [1000] * _FEATURES, _DIM, batch_size=_BATCH, shuffle=False, standardize=False,
        device="cuda", cuda_graph=cuda_graph,
    )  # fmt: skip
    for _ in range(4):  # until both buffers of the host were captured
        model.partial_fit((dense, ids), y)
    batch = Labelled(lp.Samples(dense, ids), y.astype(np.float32), None, model.classes_)
    call = functools.partial((graphs if cuda_graph else steps).step, model, batch)
    before = cupy.launches
    call()
    launches = cupy.launches - before
    return least(call), launches


def main() -> int:
    """Print what `measure` found."""
    if lowprec.cuda.cuda is None or lowprec.cuda.SIMULATED:
        print("Numba's simulator is on, or there is no numba.cuda", file=sys.stderr)
        return 1
    for name, (microseconds, launches) in measure().items():
        print(f"{name:20} {microseconds:8.1f} us  {launches} launches")
    return 0


if __name__ == "__main__":
    sys.exit(main())
