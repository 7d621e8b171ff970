"""The one place that knows which kernels and which array library belong to a device."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numba
import numpy as np

import lowprec.kernels.cpu


@dataclass(frozen=True)
class Device:
    """Where tables live: the kernels for it and the module whose arrays it takes."""

    name: str
    kernels: ModuleType
    xp: ModuleType

    @property
    def num_threads(self) -> int:
        """How many threads the kernels may use now (`numba.set_num_threads` changes it)."""
        return numba.get_num_threads()


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
            "device='cuda' needs GPU kernels, which this version of lowprec does not have yet; use device='cpu'"
        )
    raise ValueError(f"device must be 'cpu' or 'cuda', got {name!r}")
