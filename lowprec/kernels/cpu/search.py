"""Binary search in sorted arrays, for sharing work among threads."""

from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal


@internal(forceinline=True, **SERIAL)
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


@internal(forceinline=True, **SERIAL)
def part_of_bags(offsets, part, parts):
    """The first bag of a part of the batch; the bags of all parts have about as many entries."""
    bags = offsets.size - 1
    if part == 0:
        return 0
    if part == parts:
        return bags
    return min(bags, first_at_least(offsets, offsets[bags] * part // parts))
