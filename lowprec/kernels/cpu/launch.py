"""How kernels are run: by how many threads, in a process that may run them.

A parallel kernel's last parameter is how many parts its work is cut into, one for each thread.  The
result never depends on it.
"""

import threading
from typing import Any

import numba

from lowprec.kernels.cpu.team import team_size
from lowprec.threads import before_kernels

NUMBERS_PER_THREAD = 1 << 16
NUMBERS_TO_FIND_A_ROW = 32  # finding a row takes as long as reading so many numbers
NUMBERS_TO_SORT_AN_ID = 4


def threads_for(numbers):
    """How many threads a kernel over so many numbers is worth.

    At most as many as `lowprec.set_num_threads` and `numba.set_num_threads` say.  There are fewer
    where other processes need the cores, and for little work, for which waking a thread takes
    longer than doing its share.
    """
    before_kernels()
    worth = numbers // NUMBERS_PER_THREAD
    return min(worth, team_size(numba.get_num_threads())) if worth > 1 else 1


def launch(kernel, threads, *arguments):
    """Run a parallel kernel with the number of threads of `threads_for`, its last argument."""
    if not _started:
        _start_threads()
    if _turns is None:
        return kernel(*arguments, threads)
    with _turns:
        return kernel(*arguments, threads)


_started = False
# Numba's own threads ("workqueue") end the process if two Python threads run parallel kernels at
# once, which those of OpenMP and TBB may.
_lock = threading.RLock()
_turns: Any = None  # the lock, where it is needed


def _start_threads():
    """Have Numba start its threads; before that, the functions that run kernels are not known."""
    global _started, _turns
    numba.get_num_threads()
    if numba.threading_layer() == "workqueue":
        _turns = _lock
    _started = True
