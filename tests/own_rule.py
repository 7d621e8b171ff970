"""Optimizers as users write them, outside the package: momentum (Polyak 1964), and signs."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lowprec.optimizers import Optimizer, State
from lowprec.scalar.bits import fma, select


class MomentumRule(NamedTuple):
    learning_rate: np.float32
    kept: np.float32

    @staticmethod
    def step(rule, gradient, weight, velocity):
        velocity = fma(rule.kept, velocity, gradient)
        return fma(-rule.learning_rate, velocity, weight), velocity


@dataclass(frozen=True)
class Momentum(Optimizer):
    kept: float = 0.5

    def states(self):
        return {"velocity": State()}

    def rule(self, step):
        return MomentumRule(np.float32(self.learning_rate_at(step)), np.float32(self.kept))


class SignRule(NamedTuple):
    """Compares, negates, and takes sizes, in lanes and in numbers."""

    learning_rate: np.float32
    limit: np.float32

    @staticmethod
    def step(rule, gradient, weight):
        step = select(gradient < np.float32(0.0), rule.learning_rate, -rule.learning_rate)
        large = (abs(gradient) >= rule.limit) & (gradient != -weight)
        return (weight + select(large, step, weight - weight),)


@dataclass(frozen=True)
class Signs(Optimizer):
    limit: float = 0.5

    def rule(self, step):
        return SignRule(np.float32(self.learning_rate_at(step)), np.float32(self.limit))
