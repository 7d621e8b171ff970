"""How many threads the kernels of this process may use, and how many the calling thread does."""

import os

import numba

from lowprec.cores import allowed_cores
from lowprec.kernels.cpu.contention import team_of_thread

_allowed = 0  # until it is asked for


def started_threads() -> int:
    """How many there are: kernels cannot use more."""
    return int(numba.config.NUMBA_NUM_THREADS)


def allow_threads(count: int) -> None:
    """Let kernels use at most this number of threads."""
    global _allowed
    _allowed = count


def allowed_threads() -> int:
    """How many kernels may use: by default one for each core, unless the user has started fewer."""
    global _allowed
    if not _allowed:
        by_user = "NUMBA_NUM_THREADS" in os.environ
        _allowed = started_threads() if by_user else min(started_threads(), allowed_cores())
    return _allowed


def team_size(most: int) -> int:
    """How many threads the calling one should work with now: `most`, or fewer on a busy machine."""
    most = min(most, allowed_threads())
    team = team_of_thread()
    return most if team is None or most == 1 else team.size(most)
