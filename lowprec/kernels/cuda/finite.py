"""Whether numbers are finite: any, or the gradients of a batch and the steps by them."""

from typing import NamedTuple

import numpy as np

from lowprec.kernels.cuda.launch import after, in_groups, kernel, launch
from lowprec.scalar.finite import is_finite


@kernel
def _note_nonfinite(thread, threads, arrays, diverged):
    for each in range(len(arrays)):
        values = arrays[each]
        i = thread
        while i < values.size:
            if not is_finite(values[i]):
                diverged[0] = True  # all threads that write here write the same
            i = after(i, threads)


def note_nonfinite(outputs, gradients, diverged, scratch):
    """Set `diverged` (1,) if a number of float32 `outputs` (B,) or `gradients` is not finite."""
    flat = [array.reshape(-1) for array in (outputs, *gradients)]
    for some in in_groups(flat, 1):
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
