"""How functions become kernels: what Python calls, cached on disk, in the standard state."""

import inspect
from types import FunctionType

from numba import njit, prange

from lowprec.kernels.cache import cached
from lowprec.kernels.cpu.options import PARALLEL, SERIAL_KERNEL
from lowprec.kernels.cpu.processor import in_standard_state, set_standard, set_state
from lowprec.scalar.internal import internal


def serial(function):
    """A kernel of one thread, cached on disk."""
    return _compile(function, SERIAL_KERNEL, "def {name}({all}):\n    return run(body, {all})")


def parallel(part):
    """A kernel of what each thread does, for `launch`; cached on disk.

    The last parameters of a part are its number and how many parts there are.  It returns nothing.
    """
    return _compile(
        part, PARALLEL,
        "def {name}({but_two}, {last}):\n"
        "    for {number} in prange({last}):\n"
        "        run(body, {all})",
    )  # fmt: skip


def _compile(function, options, template):
    """A kernel that runs a function, its body, in the standard state.

    It is written out, because Python calls a kernel of `*arguments` more slowly.
    """
    names = list(inspect.signature(function).parameters)
    source = template.format(
        name=function.__name__, all=", ".join(names), but_two=", ".join(names[:-2]),
        number=names[-2] if len(names) > 1 else "", last=names[-1],
    )  # fmt: skip
    body = internal(**{**options, "parallel": False})(function)
    scope = {"run": in_standard_state, "body": body, "prange": prange}
    exec(compile(source, f"<kernel {function.__name__}>", "exec"), scope)
    kernel: FunctionType = scope[function.__name__]
    kernel.__module__, kernel.__qualname__ = function.__module__, function.__qualname__
    kernel.__doc__ = function.__doc__
    return _compiled_in_standard_state(cached(njit(**options)(kernel)))


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
