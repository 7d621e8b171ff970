"""The one place that knows which kernels and which array library belong to a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import numba
import numpy as np

import lowprec.kernels.cpu
from lowprec.threads import before_kernels

_NUMBERS_PER_THREAD = 1 << 16


@dataclass(frozen=True)
class Device:
    """Where tables live: the kernels for it and the module whose arrays it takes."""

    name: str
    kernel_module: ModuleType
    xp: ModuleType

    @property
    def kernels(self) -> ModuleType:
        """The kernels; RuntimeError in a process that may not run them, as `threads` says."""
        before_kernels()
        return self.kernel_module

    @contextmanager
    def threads(self, numbers: int) -> Iterator[int]:
        """How many threads to use for a kernel over so many numbers, in force inside the block.

        At most as many as `numba.get_num_threads` says, and fewer for little work, for which waking
        a thread takes longer than doing its share.  Results do not depend on it.
        """
        before_kernels()
        allowed = numba.get_num_threads()
        wanted = max(1, min(allowed, numbers // _NUMBERS_PER_THREAD))
        if wanted == allowed:
            yield allowed
            return
        numba.set_num_threads(wanted)  # of this Python thread alone
        try:
            yield wanted
        finally:
            numba.set_num_threads(allowed)


def get_device(name: str) -> Device:
    """The device called `name`.

    Raises
    ------
    RuntimeError
        For ``"cuda"``, which this version cannot use.
    ValueError
        For any other name but ``"cpu"``.
    """
    if name == "cpu":
        return Device("cpu", lowprec.kernels.cpu, np)
    if name == "cuda":
        raise RuntimeError(
            "device='cuda' is not available: this version of lowprec has no GPU kernels; "
            "use device='cpu'"
        )
    raise ValueError(f"device must be 'cpu' or 'cuda', got {name!r}")
