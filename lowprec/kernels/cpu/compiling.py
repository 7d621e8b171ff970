"""How functions become kernels: what Python calls, cached on disk, in the standard state."""

import inspect
from types import FunctionType

from numba import njit

from lowprec.kernels.cache import cached
from lowprec.kernels.cpu.options import PART, SERIAL
from lowprec.kernels.cpu.parts import in_parts
from lowprec.kernels.cpu.processor import in_standard_state, set_standard, set_state
from lowprec.scalar.internal import internal


def serial(function):
    """A kernel of one thread, cached on disk."""
    names = list(inspect.signature(function).parameters)
    return _compile(function, in_standard_state, internal(**SERIAL)(function), names)


def parallel(part):
    """Compile what one thread does into a kernel for `launch`; cached on disk.

    The last parameters of a part are its number and how many parts there are.  It returns nothing.
    """
    *names, _, parts = inspect.signature(part).parameters
    return _compile(part, in_parts, internal(**PART)(part), [*names, parts])


def _compile(function, run, body, names):
    """A kernel of so named parameters that has `run` run its body.

    It is written out, because Python calls a kernel of `*arguments` more slowly.
    """
    names = ", ".join(names)
    source = f"def {function.__name__}({names}):\n    return run(body, {names})"
    scope = {"run": run, "body": body}
    exec(compile(source, f"<kernel {function.__name__}>", "exec"), scope)
    kernel: FunctionType = scope[function.__name__]
    kernel.__module__, kernel.__qualname__ = function.__module__, function.__qualname__
    kernel.__doc__ = function.__doc__
    return _compiled_in_standard_state(cached(njit(**SERIAL)(kernel)))


def _compiled_in_standard_state(kernel):
    """The same: what Numba converts and folds while it compiles is arithmetic of this thread."""
    if isinstance(kernel, FunctionType):  # where NUMBA_DISABLE_JIT is set
        return kernel
    compile_kernel = kernel.compile

    def compile_in_standard_state(signature):
        before = set_standard()
        try:
            return compile_kernel(signature)
        finally:
            if before:
                set_state(before)

    kernel.compile = compile_in_standard_state
    return kernel
