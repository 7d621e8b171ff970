"""Arithmetic of the host in the standard floating-point state: see `lowprec.kernels.cpu.processor`.

Kernels see to themselves.  This is for what Python, NumPy and SciPy compute around them, and for
the numbers that kernels are given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from lowprec.kernels.cpu.processor import set_standard, set_state

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class StandardArithmetic:
    """A block in which the calling thread rounds to nearest and has subnormal numbers.

    The user's code must not run in it: a state that it sets would be lost.
    """

    def __enter__(self) -> None:
        self._before = set_standard()

    def __exit__(self, *error: object) -> None:
        if self._before:
            set_state(self._before)


def in_standard_arithmetic(
    function: Callable[_Arguments, _Result],
) -> Callable[_Arguments, _Result]:
    """A function whose calls are such blocks, with less to do."""

    @functools.wraps(function)
    def run(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        before = set_standard()
        if not before:
            return function(*arguments, **named)
        try:
            return function(*arguments, **named)
        finally:
            set_state(before)

    return run
