"""How idle threads wait, and that none survive a fork.

Kernels run on Numba's threads (GNU OpenMP on Linux).  Threads that have nothing to do spin, by
default for milliseconds, on cores that others need.  Threads that sleep at once are slow to wake,
once for each kernel.  In between, they spin for about as long as Python takes from one kernel to
the next.  GNU OpenMP reads how long from the environment when it starts, so `lowprec` sets it on
import, unless the user has.
"""

from __future__ import annotations

import os

GOMP_SPIN_COUNT = "10000"  # about a tenth of a millisecond

_kernels_ran = False
_forked = False


def quiet_idle_threads() -> None:
    """Let idle threads spin briefly, unless the environment already says what they do."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", GOMP_SPIN_COUNT)


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
            '"forkserver", or use lowprec only in the children'
        )
    _kernels_ran = True


def _after_fork_in_child() -> None:
    global _forked
    _forked = _kernels_ran


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
