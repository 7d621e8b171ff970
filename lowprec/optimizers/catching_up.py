"""How much a weight has decayed since its row was seen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lowprec.device import Device
from lowprec.optimizers.base import Optimizer
from lowprec.optimizers.rules import decay_at


class DecayLogs:
    """The logarithms of what each step leaves of a weight, summed: as `CatchUp.logs` has them.

    One number if the learning rate is one; under a schedule, 8 bytes a step.
    """

    def __init__(self, optimizer: Optimizer, device: Device) -> None:
        self.optimizer, self._device = optimizer, device
        self._sums = device.empty((1,), np.float64)
        self._known, self._last = 0, 0.0  # steps that are summed, and their sum
        constant = 0.0
        if not callable(optimizer.learning_rate):
            constant = math.log1p(-decay_at(optimizer, 0))
        self._sums[0] = constant

    def until(self, step: int) -> Any:
        """The array (float64) for an update at a step, on the device."""
        if not callable(self.optimizer.learning_rate):
            return self._sums
        if step > self._known:
            more = np.empty(step - self._known)
            for place, each in enumerate(range(self._known, step)):
                self._last += math.log1p(-decay_at(self.optimizer, each))
                more[place] = self._last
            if step >= len(self._sums):
                longer = self._device.empty((max(64, 2 * (step + 1)),), np.float64)
                longer[: self._known + 1] = self._sums[: self._known + 1]
                self._sums = longer
            self._sums[self._known + 1 : step + 1] = self._device.asarray(more)
            self._known = step
        return self._sums[: step + 1]
