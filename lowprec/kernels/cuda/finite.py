"""Whether numbers are finite: any, or the gradients of a batch and the steps by them."""

from typing import NamedTuple

import numpy as np

from lowprec.kernels.blocks import zeros
from lowprec.kernels.cuda.launch import kernel, launch
from lowprec.kernels.cuda.segments import begins_segment
from lowprec.kernels.cuda.sums import how_to_sum, sum_segment, without_empty
from lowprec.scalar.bits import bits_as_float
from lowprec.scalar.finite import is_finite, is_within, magnitude_bits

_INF = np.uint32(0x7F800000)
_MAXIMA = 1 << 16  # threads that look for the largest gradient


@kernel
def _note_nonfinite(thread, threads, values, diverged):
    for i in range(thread, values.size, threads):
        if not is_finite(values[i]):
            diverged[0] = True  # all threads that write here write the same


def note_nonfinite(values, diverged):
    """Set `diverged` (1,) if one of 1-D float32 `values` is not finite."""
    launch(_note_nonfinite, values.size, values, diverged)


@kernel
def _largest_magnitudes(thread, threads, x, largest):
    count = largest.size
    for slot in range(thread, count, threads):
        most = np.uint32(0)
        for i in range(slot, x.size, count):
            bits = magnitude_bits(x[i])
            most = bits if bits > most else most
        largest[slot] = most


class StepCheck(NamedTuple):
    """Whether the gradients of a batch are within a limit, so that their steps are finite.

    The device knows, the host if it waits.
    """

    guard: np.ndarray  # (1,) bool: some might not be, and `bad` says which
    diverged: np.ndarray  # (1,) bool: nothing may be written
    bad: np.ndarray  # (n,) bool: of a place that begins a segment, whether its gradient is beyond

    @property
    def refused(self):
        """Whether nothing may be written."""
        return bool(self.diverged[0])

    @property
    def bad_rows(self):
        """How many rows have a gradient beyond."""
        return int(self.bad.sum())


@kernel
def _check_steps(thread, threads, segments, gradients, how, largest, factor, limit, refuse, check):
    order, grad = segments.order, gradients.grad
    bound = bits_as_float(largest[0]) * np.float32(order.size)
    if how.weighted and factor[0] > np.float32(1.0):
        bound *= factor[0]
    if bound < limit:  # and is not NaN
        return
    check.guard[0] = True  # all threads that write here write the same
    if refuse and largest[0] >= _INF:
        check.diverged[0] = True
    for place in range(thread, order.size, threads):
        if not begins_segment(order, place):
            continue
        for column in range(grad.shape[1]):
            total = sum_segment(segments, gradients, how, place, column, zeros(grad, 1))
            if not is_within(total, limit):
                check.bad[place] = True
                if refuse:
                    check.diverged[0] = True


def check_steps(segments, gradients, limit, refuse, diverged, scratch):
    """Whether all gradients are within the float32 `limit`; with `refuse`, nothing is to be written
    unless they are.

    `diverged` (1,) says that nothing may be written any more, and is set where nothing may be;
    None begins anew.
    """
    how = how_to_sum(segments, gradients)
    x = gradients.grad.reshape(-1)
    largest = scratch.empty("largest", (min(_MAXIMA, x.size),), np.uint32)
    launch(_largest_magnitudes, largest.size, x, largest)
    largest = largest.max(keepdims=True)  # (1,), as bits
    factor = abs(gradients.factors).max(keepdims=True) if how.weighted else x
    flags = scratch.empty("flags", (2,), np.bool_)
    bad = scratch.empty("bad", (segments.order.size,), np.bool_)
    flags.fill(False)
    bad.fill(False)
    check = StepCheck(flags[:1], flags[1:] if diverged is None else diverged, bad)
    launch(
        _check_steps, segments.order.size,
        segments, without_empty(segments, gradients), how, largest, factor, np.float32(limit),
        np.bool_(refuse), check,
    )  # fmt: skip
    return check
