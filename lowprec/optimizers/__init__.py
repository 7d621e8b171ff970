"""Optimizers: small immutable data, each with the rule that kernels compile; one file each."""

from lowprec.optimizers.arrays import init_states
from lowprec.optimizers.base import Optimizer
from lowprec.optimizers.descriptions import describe, from_description
from lowprec.optimizers.states import State

__all__ = ["Optimizer", "State", "describe", "from_description", "init_states"]
