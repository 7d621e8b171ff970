"""How kernels are run: by how many threads, in a process that may run them.

A parallel kernel's last parameter is how many parts its work is cut into, one for each thread.  The
result never depends on it.
"""

import numba

from lowprec.threads import before_kernels

NUMBERS_PER_THREAD = 1 << 16
NUMBERS_TO_FIND_A_ROW = 32  # finding a row takes as long as reading so many numbers
NUMBERS_TO_SORT_AN_ID = 4


class Threads(int):
    """How many threads a kernel is run by; `allowed` are those that there are."""

    allowed: int


def threads_for(numbers):
    """How many threads a kernel over so many numbers is worth.

    At most as many as `numba.get_num_threads` says, and fewer for little work, for which waking a
    thread takes longer than doing its share.
    """
    before_kernels()
    allowed = numba.get_num_threads()  # not asked for again by `launch`: it takes a microsecond
    threads = Threads(max(1, min(allowed, numbers // NUMBERS_PER_THREAD)))
    threads.allowed = allowed
    return threads


def launch(kernel, threads, *arguments):
    """Run a parallel kernel by as many threads as `threads_for` said, which it is told last."""
    count = int(threads)
    if count == threads.allowed:
        return kernel(*arguments, count)
    numba.set_num_threads(count)  # of this Python thread alone
    try:
        return kernel(*arguments, count)
    finally:
        numba.set_num_threads(threads.allowed)
