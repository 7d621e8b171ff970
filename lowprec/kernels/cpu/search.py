"""Binary search in sorted arrays, for sharing work among threads."""

from numba import njit

from lowprec.kernels.cpu.options import SERIAL


@njit(forceinline=True, **SERIAL)
def first_at_least(sorted_values, value):
    """The first index whose entry is at least `value`, or the size if there is none."""
    low, high = 0, sorted_values.size
    while low < high:
        middle = (low + high) // 2
        if sorted_values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low
