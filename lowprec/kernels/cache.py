"""Compiled kernels on disk: what was compiled once is loaded by later processes.

Numba's own cache looks at the file of a kernel alone, so it misses a change in a function that the
kernel calls; it writes into the package, and cannot be imported where nothing can be written.  Here
each compiled version of a kernel is a file of `lowprec.kernels.storage`.
"""

from __future__ import annotations

import pickle
import re
import sys
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba.core import config, sigutils
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from lowprec.kernels import storage
from lowprec.kernels.fingerprint import UnknownError, fingerprint
from lowprec.kernels.names import number_functions

# The settings of Numba that change what is compiled, beside those of the processor.
_SETTINGS = (
    "BOUNDSCHECK",
    "DEBUG_ARRAY_OPT_RUNTIME",
    "DEBUGINFO_DEFAULT",
    "DEBUG_NRT",
    "EXTEND_VARIABLE_LIFETIMES",
    "LLVM_REFPRUNE_FLAGS",
    "LLVM_REFPRUNE_PASS",
    "LOOP_VECTORIZE",
    "OPT",
    "PARFOR_MAX_TUPLE_SIZE",
    "SLP_VECTORIZE",
    "USING_SVML",
)
_VERSIONS = (sys.version, sys.flags.optimize, numba.__version__, np.__version__)


number_functions()


def cached(dispatcher: Any) -> Any:
    """Keep what `dispatcher`, a function compiled by `njit` without ``cache=True``, on disk."""
    if not isinstance(dispatcher, FunctionType):  # what it is where NUMBA_DISABLE_JIT is set
        options = (dispatcher.targetoptions, dispatcher.locals)
        dispatcher._cache = KernelCache(dispatcher.py_func, options)
    return dispatcher


class KernelCache(_Cache):
    """The files of one kernel, as a `Dispatcher` of Numba asks for them."""

    def __init__(self, py_func: Any, options: tuple = ()) -> None:
        self._kernel = py_func
        self._options = options
        self._enabled = True

    @property
    def cache_path(self) -> str | None:
        folder = storage.cache_folder()
        return None if folder is None else str(folder)

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        """Remove the files of this kernel."""
        storage.remove(prefix_of(self._kernel))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel compiled for `sig`, or None if it is not on disk or its file is corrupted."""
        target_context.refresh()
        if not self._enabled:
            return None
        try:
            name = self._name(sig, target_context)
        except UnknownError:
            return None
        payload = storage.read(name)
        if payload is None:
            return None
        try:
            kernel = CompileResult._rebuild(target_context, *pickle.loads(payload))
        except Exception:  # as ImportError: whatever is wrong with it, it can be compiled
            return None
        storage.note_use(name)
        return kernel

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Write a compiled kernel, unless something in it belongs to this process alone."""
        own = cres.library.has_dynamic_globals or not all(x.can_cache for x in cres.lifted)
        if own or not storage.writes() or not self._enabled:
            return
        try:
            name = self._name(sig, cres.target_context)
            payload = dumps(cres._reduce())
        except Exception:  # as PicklingError: it stays in memory
            return
        storage.write(name, payload)

    def _name(self, sig: Any, target_context: Any) -> str:
        args, return_type = sigutils.normalize_signature(sig)
        magic = target_context.codegen().magic_tuple()
        return file_name(self._kernel, (tuple(args), return_type), self._options, magic)


def file_name(kernel: Any, signature: Any, options: tuple, target: Any) -> str:
    """The name of the file of a kernel (a function of Python) compiled for types and a target.

    UnknownError if something that it depends on has no content that can be compared.
    """
    module, name = kernel.__module__, kernel.__qualname__
    if module in ("__main__", "__mp_main__") or "<" in name:
        raise UnknownError(f"{module}.{name} cannot be imported")
    digits = fingerprint(
        (module, name, kernel, *options),
        signature,
        target,
        (*_VERSIONS, sys.modules["llvmlite"].__version__),  # which Numba has imported
        [getattr(config, setting, None) for setting in _SETTINGS],
    )
    return f"{prefix_of(kernel)}-{digits[:32]}.kernel"


def prefix_of(kernel: Any) -> str:
    """What the names of the files of a kernel begin with."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", f"{kernel.__module__}.{kernel.__qualname__}")
