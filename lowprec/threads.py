"""Keeps the threads of the kernels and those of BLAS from fighting over the cores.

Kernels run on Numba's threads, matrix products on OpenBLAS's.  GNU OpenMP, which Numba uses on
Linux, lets idle threads spin: they then hold the cores while the other pool works.  It reads
``GOMP_SPINCOUNT`` once, when it is loaded, so `lowprec` sets it on import, unless the user has set
it or ``OMP_WAIT_POLICY``.
"""

import os


def quiet_idle_threads() -> None:
    """Make idle OpenMP threads sleep, unless the environment already says what they do."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "0")
