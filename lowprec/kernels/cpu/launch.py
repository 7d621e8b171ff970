"""How kernels are run: by how many threads, in a process that may run them.

A parallel kernel's last parameter is how many parts its work is cut into, one for each thread.  The
result never depends on it.
"""

import numba

from lowprec.threads import before_kernels

NUMBERS_PER_THREAD = 1 << 16
NUMBERS_TO_FIND_A_ROW = 32  # finding a row takes as long as reading so many numbers
NUMBERS_TO_SORT_AN_ID = 4


def threads_for(numbers):
    """How many threads a kernel over so many numbers is worth.

    At most as many as `numba.get_num_threads` says, and fewer for little work, for which waking a
    thread takes longer than doing its share.
    """
    before_kernels()
    return max(1, min(numba.get_num_threads(), numbers // NUMBERS_PER_THREAD))


def launch(kernel, threads, *arguments):
    """Run a parallel kernel by so many threads, which it is told last."""
    allowed = numba.get_num_threads()
    if threads == allowed:
        return kernel(*arguments, threads)
    numba.set_num_threads(threads)  # of this Python thread alone
    try:
        return kernel(*arguments, threads)
    finally:
        numba.set_num_threads(allowed)
