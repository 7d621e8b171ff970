"""Whether numbers are finite: any, or the gradients of a batch and the steps by them."""

from typing import NamedTuple

import numpy as np

from lowprec.kernels.blocks import zeros
from lowprec.kernels.cuda.launch import in_groups, kernel, launch
from lowprec.kernels.cuda.segments import begins_segment
from lowprec.kernels.cuda.sums import how_to_sum, sum_segment, without_empty
from lowprec.scalar.finite import is_finite, is_within

_LARGE_FACTOR = np.float32(2.0**20)  # of a gradient: larger ones are looked at row by row


@kernel
def _note_nonfinite(thread, threads, arrays, diverged):
    for each in range(len(arrays)):
        values = arrays[each]
        for i in range(thread, values.size, threads):
            if not is_finite(values[i]):
                diverged[0] = True  # all threads that write here write the same


def note_nonfinite(arrays, diverged):
    """Set `diverged` (1,) if a number of 1-D float32 `arrays` is not finite."""
    for some in in_groups(arrays, 1):
        launch(_note_nonfinite, max(values.size for values in some), some, diverged)


class StepCheck(NamedTuple):
    """Whether the gradients of a batch are within a limit, so that their steps are finite.

    The device knows, the host if it waits.
    """

    guard: np.ndarray  # (1,) bool: some might not be, and `bad` says which
    diverged: np.ndarray  # (1,) bool: nothing may be written
    bad: np.ndarray  # (n,) bool: of a place that begins a segment, whether its gradient is beyond
    refuse: np.bool_  # nothing is to be written if one is beyond

    @property
    def refused(self):
        """Whether nothing may be written."""
        return bool(self.diverged[0])

    @property
    def bad_rows(self):
        """How many rows have a gradient beyond."""
        return int(self.bad.sum())


@kernel
def _guard_steps(thread, threads, x, factors, weighted, places, limit, check):
    """Whether a sum of so many gradients might be beyond, by the largest of them."""
    bound = np.float32(places) * _LARGE_FACTOR if weighted else np.float32(places)
    for i in range(thread, x.size, threads):
        number = x[i]
        if not abs(number) * bound < limit:  # or it is NaN
            check.guard[0] = True  # all threads that write here write the same
        if check.refuse and not is_finite(number):
            check.diverged[0] = True
    if weighted:
        for i in range(thread, factors.size, threads):
            if not abs(factors[i]) <= _LARGE_FACTOR:
                check.guard[0] = True


@kernel
def _check_steps(thread, threads, segments, gradients, how, limit, check):
    order, grad, guarded = segments.order, gradients.grad, check.guard[0]
    for place in range(thread, order.size, threads):
        check.bad[place] = False
        if not guarded or not begins_segment(order, place):
            continue
        for column in range(grad.shape[1]):
            total = sum_segment(segments, gradients, how, place, column, zeros(grad, 1))
            if not is_within(total, limit):
                check.bad[place] = True
                if check.refuse:
                    check.diverged[0] = True


def check_steps(groups, gradients, limit, refuse, diverged, scratch):
    """Whether all gradients are within the float32 `limit`; with `refuse`, nothing is to be written
    unless they are.

    `diverged` (1,) says that nothing may be written any more, and is set where nothing may be;
    None begins anew.
    """
    how, places, limit = how_to_sum(groups, gradients), groups.order.size, np.float32(limit)
    gradients = without_empty(groups, gradients)
    flags = scratch.empty("flags", (2,), np.bool_)
    flags.fill(False)
    bad = scratch.empty("bad", (places,), np.bool_)
    diverged = flags[1:] if diverged is None else diverged
    check = StepCheck(flags[:1], diverged, bad, np.bool_(refuse))
    x = gradients.grad.reshape(-1)
    most = max(x.size, gradients.factors.size) if how.weighted else x.size
    launch(_guard_steps, most, x, gradients.factors, how.weighted, places, limit, check)
    launch(_check_steps, places, groups, gradients, how, limit, check)
    return check
