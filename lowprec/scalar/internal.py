"""Functions that compiled functions call: they are linked into these, and optimized there alone.

Numba optimizes every function that it compiles, makes machine code of it and wraps it for Python,
and then does all of that anew for each function that calls it.  Of our functions only kernels are
called by Python.  Without the work on all others they are compiled in half the time, to the same
instructions.
"""

from types import FunctionType
from typing import Any

from numba import jit, njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher
from numba.extending import overload


def internal(**options: Any) -> Any:
    """Compile a function for other compiled functions, with options of `numba.njit`.

    Python can call it, too: it is then compiled once more, as `numba.njit` does.
    """

    def decorate(function: Any) -> Any:
        dispatcher = njit(**options, **LINKED)(function)
        if isinstance(dispatcher, FunctionType):  # where NUMBA_DISABLE_JIT is set
            return dispatcher
        dispatcher.__class__ = _Internal
        return dispatcher

    return decorate


def overloaded(stub: Any, **options: Any) -> Any:
    """`numba.extending.overload` a function for other compiled functions, on every device."""

    def decorate(choose: Any) -> Any:
        for target, of_target in (("cpu", LINKED), ("cuda", {})):
            overload(stub, jit_options={**options, **of_target}, target=target)(choose)
        return choose

    return decorate


class _Internal(CPUDispatcher):  # type: ignore[misc]
    def __call__(self, *arguments: Any) -> Any:
        if not hasattr(self, "_callable"):
            options = {name: of for name, of in self.targetoptions.items() if name not in LINKED}
            self._callable = jit(**options)(self.py_func)
        return self._callable(*arguments)


class _LinkedLibrary(JITCodeLibrary):  # type: ignore[misc]
    """The code of a function, and of those that it calls, neither optimized nor made executable."""

    @property
    def codegen(self) -> Any:
        return _WithoutEnvironments(self._codegen)

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    def finalize(self) -> None:
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


class _WithoutEnvironments:
    """What makes code, for which the globals of a function that is not executable do not exist."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, environment: Any) -> None:
        """Nothing: nopython code that makes no object does not look at it."""


class _Linked(Compiler):  # type: ignore[misc]
    def define_pipelines(self) -> Any:
        state = self.state
        state.library = _LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()


# the options of `numba.njit` that do it
LINKED: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": _Linked,
}
