"""Whether training has diverged, which a GPU is asked for only now and then."""

from __future__ import annotations

from typing import Any

import numpy as np

from lowprec.device import Device
from lowprec.workspace import Allocator

_STEPS_BETWEEN_LOOKS = 64


class DivergenceCheck:
    """Halts training at the first step with a number that is not finite.

    The device notes it in `diverged`, and nothing is written from then on, so the model stays as it
    was before that step.  The host looks after each step where that costs nothing, and elsewhere
    once in a while, so that a step waits for nothing.

    Parameters
    ----------
    device : Device
    always : bool
        Whether to look after each step in any case.
    """

    def __init__(self, device: Device, always: bool) -> None:
        self._device = device
        self.diverged = device.xp.empty(1, np.bool_)
        self.start(always)

    def start(self, always: bool) -> None:
        """Begin anew, with the same array `diverged`."""
        self.always = always or not self._device.asynchronous
        self.diverged[...] = False
        self._last_step = self._device.xp.zeros(1, np.int64)
        self._unseen = 0

    def begin(self, step: int) -> None:
        """Note the step if training is not diverged: it is the last one that began so."""
        if self._device.asynchronous:
            where = self._device.xp.where
            self._last_step = where(self.diverged, self._last_step, np.int64(step))
        elif not self.diverged[0]:
            self._last_step[0] = step
        self._unseen += 1

    def look_through(self, outputs: Any, gradients: list[Any], scratch: Allocator) -> None:
        """Have the numbers of a step looked through, before anything is written."""
        self._device.kernels.note_nonfinite(outputs, gradients, self.diverged, scratch)
        if self.always:
            self.raise_if_diverged()

    def raise_if_diverged(self, *, now: bool = False) -> None:
        """Raise `DivergenceError` if training has diverged, if it is time to look or `now`."""
        if self.always or self._unseen >= (1 if now else _STEPS_BETWEEN_LOOKS):
            self._unseen = 0
            if self.diverged[0]:
                raise DivergenceError(int(self._last_step[0]))


class DivergenceError(FloatingPointError):
    """Training has met a number that is not finite."""

    def __init__(self, step: int) -> None:
        super().__init__(
            f"training diverged at step {step}: the loss or a gradient is not finite; "
            "lower the learning rate, or scale dense features down, as standardize=True does"
        )
        self.step = step
