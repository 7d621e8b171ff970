"""A GPU as benchmarks ask it, and the sizes of what is measured there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

import lowprec.cuda
from benchmarks import machine
from lowprec.device import get_device

# what the device does while Python asks for the work that is timed: 20 ms at 3 TB/s
_BUSY_BYTES, _BUSY_COPIES = 1 << 26, 450


@dataclass(frozen=True)
class Sizes:
    """What is measured."""

    copy_bytes: int
    rows: tuple[int, ...]
    dims: tuple[int, ...]
    batch: int
    steps: int  # of a turn
    rounds: int
    samples: int  # of a turn of DLRM
    seconds: float  # after which no further size is begun


FULL = Sizes(1 << 30, (10**6, 10**7, 10**8), (16, 64, 128), 16384, 20, 7, 1 << 18, 400.0)
QUICK = Sizes(1 << 16, (2600,), (16,), 64, 1, 2, 128, 400.0)


class Gpu:
    """The card, by what benchmarks ask it."""

    def __init__(self) -> None:
        self.xp = get_device("cuda").xp
        self.real = not lowprec.cuda.SIMULATED

    def write_columns(self, columns: int) -> None:
        """Let each thread of a lookup write so many columns at a time."""
        from lowprec.kernels.cuda import wide

        wide.OF_FLOAT32 = {4: wide.ByFour, 8: wide.ByEight}[columns]

    def wait(self) -> None:
        """Wait until everything is done."""
        if self.real:
            self.xp.cuda.Device().synchronize()

    def free_bytes(self) -> int:
        """Memory that can be allocated."""
        if not self.real:
            return machine.available_memory()
        self.xp.get_default_memory_pool().free_all_blocks()
        return int(self.xp.cuda.runtime.memGetInfo()[0])

    def apart(self, ask: Callable[[], object]) -> tuple[float, float]:
        """Seconds that Python takes to ask for work, and that the device takes for it.

        The device has something to do before, so that it never waits for Python.
        """
        self.wait()
        if self.real:
            events = [self.xp.cuda.Event() for _ in range(2)]
            source = self.xp.zeros(_BUSY_BYTES, np.uint8)
            target = self.xp.empty_like(source)
            for _ in range(_BUSY_COPIES):
                target[...] = source
            events[0].record()
        started = time.perf_counter()
        ask()
        host = time.perf_counter() - started
        if not self.real:
            return host, float("nan")
        events[1].record()
        events[1].synchronize()
        return host, self.xp.cuda.get_elapsed_time(*events) / 1e3

    def describe(self) -> dict[str, Any]:
        """The card and the software."""
        names = ("lowprec", "numba", "numba-cuda", "cupy-cuda12x", "cupy-cuda13x", "torch", "numpy")
        packages = {name: found for name in names if (found := _version(name))}
        if not self.real:
            return {"card": "Numba's simulator: times mean nothing", "packages": packages}
        runtime = self.xp.cuda.runtime
        card = runtime.getDeviceProperties(self.xp.cuda.Device().id)
        return {
            "card": card["name"].decode(),
            "memory GB": round(card["totalGlobalMem"] / 1e9, 1),
            "L2 MB": round(card["l2CacheSize"] / 1e6, 1),
            "driver, runtime": f"{runtime.driverGetVersion()}, {runtime.runtimeGetVersion()}",
            "packages": packages,
        }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
