"""How many threads the CPU's kernels use."""

from lowprec.checks import check_int
from lowprec.kernels.cpu.team import allow_threads, allowed_threads, started_threads


def set_num_threads(n: int) -> None:
    """Set the largest number of threads that kernels of this process use.

    The default is the environment variable ``NUMBA_NUM_THREADS``, or else the number of cores that
    the process may use, by its affinity and by the CPU quota of its cgroups (its container) when
    lowprec was imported.  Results do not depend on it.

    Parameters
    ----------
    n : int
        At least 1, and at most the number that Numba has started,
        ``numba.config.NUMBA_NUM_THREADS``.

    Raises
    ------
    TypeError
        If `n` is no integer.
    ValueError
        If it is out of range.

    See Also
    --------
    numba.set_num_threads : The same for the calling thread; the smaller number applies.

    Examples
    --------
    >>> import lowprec as lp
    >>> before = lp.get_num_threads()
    >>> lp.set_num_threads(1)
    >>> lp.get_num_threads()
    1
    >>> lp.set_num_threads(before)
    """
    allow_threads(check_int("n", n, low=1, high=started_threads() + 1))


def get_num_threads() -> int:
    """The largest number of threads that kernels of this process use.

    Small batches use fewer.  On Linux, all batches do when other processes need the cores: see
    docs/performance.md, "Threads".

    Returns
    -------
    int

    Examples
    --------
    >>> import lowprec as lp
    >>> lp.get_num_threads() >= 1
    True
    """
    return allowed_threads()
