"""The matrix product of SciPy's BLAS, and that it runs on one thread.

A product by several threads of BLAS has other last bits for each number of them, and they wait for
those of the kernels.  So kernels cut a product into parts that never depend on the number of
threads, and each of them computes whole parts by a BLAS of one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

_MAPS = Path("/proc/self/maps")  # of Linux
_ROUTINES = {"f": "sgemm", "d": "dgemm"}
# OpenBLAS of SciPy's and NumPy's own wheels, of others
_PREFIXES, _SUFFIXES = ("scipy_", ""), ("", "64_", "_64")


@functools.cache
def gemm(dtype: DTypeLike) -> int:
    """The address of C code that multiplies matrices of float32 or float64, as BLAS does.

    Its parameters are those of ``sgemm`` of BLAS, pointers all of them, to column-major matrices.
    It is SciPy's: https://docs.scipy.org/doc/scipy/reference/linalg.cython_blas.html
    """
    from scipy.linalg import cython_blas  # here, as it takes a tenth of a second

    capsule = cython_blas.__pyx_capi__[_ROUTINES[np.dtype(dtype).char]]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return int(get_pointer(capsule, get_name(capsule)))


class _OneThread:
    """A block in which OpenBLAS runs on the threads that call it; several may run side by side."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[tuple[Callable[[int], Any], int]] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = [
                    (set_to, count) for get, set_to in _pools() if (count := get()) != 1
                ]
                for set_to, _ in self._before:
                    set_to(1)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                for set_to, count in self._before:
                    set_to(count)


one_thread = _OneThread()


@functools.cache
def _pools() -> list[tuple[Callable[[], int], Callable[[int], Any]]]:
    """How to ask each OpenBLAS of this process for its threads, and to set them."""
    gemm("f")  # SciPy loads its own
    found: list[tuple[Callable[[], int], Callable[[int], Any]]] = []
    for path in _loaded():
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(path)
            found += [(library[get], library[set_to]) for get, set_to in _names(library)][:1]
    return found


def _names(library: ctypes.CDLL) -> Iterator[tuple[str, str]]:
    for prefix in _PREFIXES:
        for suffix in _SUFFIXES:
            names = [f"{prefix}openblas_{verb}_num_threads{suffix}" for verb in ("get", "set")]
            if all(hasattr(library, name) for name in names):
                yield names[0], names[1]


def _loaded() -> list[str]:
    """The OpenBLAS libraries of this process: those that Linux names, or those of the wheels."""
    with contextlib.suppress(OSError):
        lines = _MAPS.read_text().splitlines()
        names = {line.split(maxsplit=5)[5] for line in lines if "openblas" in line}
        return sorted(name for name in names if Path(name).exists())
    import scipy

    package = Path(scipy.__file__).parent
    folders = package / ".dylibs", package.parent / "scipy.libs"
    return sorted(str(path) for folder in folders for path in folder.glob("*openblas*"))
