"""Keeps the threads of the kernels and those of BLAS from fighting over the cores.

Kernels run on Numba's threads (GNU OpenMP on Linux), matrix products on OpenBLAS's.  A pool whose
threads have nothing to do lets them spin, by default for milliseconds: they then hold the cores
while the other pool works.  Threads that sleep at once are slow to wake, once for each kernel.  In
between, they spin for about as long as Python takes from one kernel to the next.  Both pools read
how long from the environment when they start, so `lowprec` sets it on import, unless the user has.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading

GOMP_SPIN_COUNT = "10000"  # about a tenth of a millisecond
OPENBLAS_TIMEOUT = "18"  # 2**18 clock cycles: as long

_kernels_ran = False
_forked = False


def quiet_idle_threads() -> None:
    """Let idle threads spin briefly, unless the environment already says what they do."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", GOMP_SPIN_COUNT)
    if "OPENBLAS_THREAD_TIMEOUT" not in os.environ:
        os.environ["OPENBLAS_THREAD_TIMEOUT"] = OPENBLAS_TIMEOUT
        if "numpy" in sys.modules and threading.active_count() == 1:
            for path in _loaded_openblas():
                _restart_openblas(path)


def _loaded_openblas() -> list[str]:
    """The OpenBLAS libraries of this process, where the system tells (Linux)."""
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split(maxsplit=5)[5].strip() for line in maps if "openblas" in line}
    except OSError:
        return []
    return sorted(filter(os.path.exists, paths))


def _restart_openblas(path: str) -> None:
    """Let OpenBLAS read the environment anew: it ends its threads, and the next call makes others.

    NumPy was imported first, so they have started.  Does nothing where OpenBLAS hides what it
    takes.
    """
    library = ctypes.CDLL(path)
    names = ("openblas_read_env", "blas_thread_shutdown_")
    if all(hasattr(library, name) for name in names):
        for name in names:
            getattr(library, name)()


def before_kernels() -> None:
    """Note that kernels are about to run.

    Raises
    ------
    RuntimeError
        In a child process that was forked after kernels had run, where OpenMP would abort.
    """
    global _kernels_ran
    if _forked:
        raise RuntimeError(
            "this process was forked from one that had already used lowprec, and threads do not "
            'survive a fork; start processes with multiprocessing.get_context("spawn") or '
            '"forkserver", or use lowprec in the children alone'
        )
    _kernels_ran = True


def _after_fork_in_child() -> None:
    global _forked
    _forked = _kernels_ran


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
