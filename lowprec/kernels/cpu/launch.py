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


class Threads(int):
    """How many threads a kernel is run by; `of_numba` are those that Numba would use."""

    of_numba: int


def threads_for(numbers):
    """How many threads a kernel over so many numbers is worth.

    At most as many as `lowprec.set_num_threads` and `numba.set_num_threads` say.  There are fewer
    where other processes need the cores, and for little work, for which waking a thread takes
    longer than doing its share.
    """
    before_kernels()
    of_numba = numba.get_num_threads()  # not asked for again by `launch`: it takes a microsecond
    worth = numbers // NUMBERS_PER_THREAD
    threads = Threads(min(worth, team_size(of_numba)) if worth > 1 else 1)
    threads.of_numba = of_numba
    return threads


def launch(kernel, threads, *arguments):
    """Run a parallel kernel by as many threads as `threads_for` said, which it is told last."""
    turns = _turns
    if turns is None:
        return _launch(kernel, threads, arguments)
    with turns:
        result = _launch(kernel, threads, arguments)
        _see_whether_turns_are_needed()
    return result


def _launch(kernel, threads, arguments):
    count = int(threads)
    if count == threads.of_numba:
        return kernel(*arguments, count)
    numba.set_num_threads(count)  # of this Python thread alone
    try:
        return kernel(*arguments, count)
    finally:
        numba.set_num_threads(threads.of_numba)


# Numba's own threads ("workqueue") end the process if two Python threads run parallel kernels at
# once, which those of OpenMP and TBB may.  Numba tells which ones it took after the first kernel.
_turns: Any = threading.RLock()  # None where none are needed


def _see_whether_turns_are_needed():
    global _turns
    try:
        layer = numba.threading_layer()
    except ValueError:  # nothing ran in parallel, as nothing is compiled (NUMBA_DISABLE_JIT)
        return
    if layer != "workqueue":
        _turns = None
