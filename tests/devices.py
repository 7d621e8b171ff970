"""Runs the tests of the CPU on another device: ``LOWPREC_TEST_DEVICE=cuda python -m pytest ...``.

The device that functions take unless they are told one is replaced, so tests need not name it.
"""

import inspect
import os

import lowprec as lp

DEVICE = os.environ.get("LOWPREC_TEST_DEVICE", "cpu")
SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"

_FUNCTIONS = (
    lp.EmbeddingTable.__init__,
    lp.LogisticRegression.__init__,
    lp.DLRM.__init__,
    lp.nearest_round,
    lp.round_up_probability,
    lp.stochastic_round,
)


def set_default_device(device):
    """Make `device` the default of every public function that takes one."""
    for function in _FUNCTIONS:
        parameters = inspect.signature(function).parameters.values()
        named = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
        function.__defaults__ = tuple(
            device if each.name == "device" else each.default
            for each in named
            if each.default is not each.empty
        )
