"""Keeps the threads of the kernels and those of BLAS from fighting over the cores.

Kernels run on Numba's threads, matrix products on OpenBLAS's.  GNU OpenMP, which Numba uses on
Linux, lets idle threads spin, by default for milliseconds: they then hold the cores while the other
pool works.  Threads that sleep at once are slow to wake, once for each kernel.  In between, they
spin for about as long as Python takes from one kernel to the next.  OpenMP reads the count once,
when it is loaded, so `lowprec` sets it on import, unless the environment says what threads do.
"""

import os

SPIN_COUNT = 10_000  # tenths of a millisecond


def quiet_idle_threads() -> None:
    """Let idle OpenMP threads spin briefly, unless the environment already says what they do."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))
