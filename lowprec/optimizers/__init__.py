"""Optimizers: small immutable data, each with the rule that kernels compile; one file each."""

from lowprec.optimizers.base import Optimizer, State, from_description, init_states

__all__ = ["Optimizer", "State", "from_description", "init_states"]
