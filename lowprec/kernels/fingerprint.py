"""What a kernel depends on beyond the sources of lowprec, as one hash.

That is the types of its arguments, with the functions of users' rules among them, and settings.
"""

from __future__ import annotations

import dis
import hashlib
import os
import sys
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from numba import types
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic
from numba.core.registry import cpu_target

# Versions and the hash of lowprec's sources cover what these packages define.
_PACKAGES = {"lowprec", "numba", "numpy", "llvmlite"}
_STANDARD_LIBRARY = os.path.dirname(os.__file__)
# Types of Numba whose names say all about them.
_NAMED_TYPES = (types.Number, types.Boolean, types.NoneType, types.UnicodeType, types.Record)
_SIMPLE = (int, float, complex, str, bytes, type(None), type(Ellipsis))


class UnknownError(Exception):
    """Something whose content cannot be determined; what depends on it is never stored."""


def fingerprint(*values: Any) -> str:
    """The same hexadecimal digits for the same content, in every process.

    Functions count by their bytecode, constants, defaults, closures and the globals they use,
    recursively; whatever lowprec, Numba, NumPy and Python define counts by its name.

    Raises
    ------
    UnknownError
        If something has no content that can be compared.
    """
    walk = _Walk()
    try:
        walk.visit(values)
    except RecursionError as error:
        raise UnknownError("nested too deeply") from error
    return walk.hash.hexdigest()


class _Walk:
    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.seen: dict[Any, Any] = {}

    def put(self, *parts: Any) -> None:
        self.hash.update(f"{parts!r}\n".encode(errors="surrogatepass"))

    def again(self, value: Any, *more: Any) -> bool:
        """Whether it was met before: functions may call themselves."""
        key = (id(value), *more)
        found = key in self.seen
        # the value is kept, so that its id is not given to another one
        number, _ = self.seen.setdefault(key, (len(self.seen), value))
        self.put("again" if found else "first", number)
        return found

    def visit(self, value: Any) -> None:
        kind = type(value)
        self.put(kind.__module__, kind.__qualname__)
        if isinstance(value, _SIMPLE):
            self.put(repr(value))
        elif isinstance(value, (np.generic, np.ndarray)):
            self.array(value)
        elif isinstance(value, np.dtype):
            self.put(repr(value))
        elif isinstance(value, types.Type):
            self.type_of_argument(value)
        elif isinstance(value, CodeType):
            self.code(value)
        elif isinstance(value, ModuleType):
            self.put(value.__name__)
        elif _is_named(value):
            self.put(value.__module__, value.__qualname__)
        elif isinstance(value, np.ufunc):
            self.put(value.__name__)
        elif isinstance(value, (frozenset, set)):
            self.put(sorted(map(fingerprint, value)))
        elif isinstance(value, tuple):
            self.put(len(value))
            if kind is not tuple:
                self.visit(kind)
            self.all(value)
        elif not self.again(value):
            self.compound(value)

    def all(self, values: Any) -> None:
        for value in values:
            self.visit(value)

    def compound(self, value: Any) -> None:
        if isinstance(value, (list, dict)):
            self.put(len(value))
            self.all(value.items() if isinstance(value, dict) else value)
        elif isinstance(value, Dispatcher):
            self.all((value.targetoptions, value.locals, value.py_func))
        elif isinstance(value, _Intrinsic):
            self.visit(value._defn)
        elif isinstance(value, staticmethod):
            self.visit(value.__func__)
        elif isinstance(value, FunctionType):
            self.function(value)
        elif isinstance(value, type):
            self.class_(value)
        else:
            raise UnknownError(f"{value!r:.100}")

    def array(self, value: Any) -> None:
        if value.dtype.hasobject:
            raise UnknownError("an array of objects")
        self.put(repr(value.dtype), value.shape, value.tobytes())

    def type_of_argument(self, value: Any) -> None:
        """Put in a type of Numba; its name does not say which class a NamedTuple is of."""
        if isinstance(value, types.BaseTuple):
            if isinstance(value, types.BaseNamedTuple):
                if not _can_be_imported(value.instance_class):
                    raise UnknownError(f"{value.instance_class} cannot be imported")
                self.visit(value.instance_class)
            self.visit(tuple(value.types))
        elif type(value) is types.Array:
            self.put(value.ndim, value.layout, value.mutable, value.aligned)
            self.visit(value.dtype)
        elif isinstance(value, types.Omitted):
            self.visit(value.value)
        elif isinstance(value, types.Literal):
            self.visit(value.literal_value)
        elif isinstance(value, _NAMED_TYPES):
            self.put(str(value))
        else:
            raise UnknownError(f"an argument of type {value}")

    def code(self, code: CodeType) -> None:
        self.put(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        self.put(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        self.put(getattr(code, "co_exceptiontable", b""))
        self.visit(code.co_consts)

    def function(self, function: FunctionType) -> None:
        self.all((function.__code__, function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            try:
                self.visit(cell.cell_contents)
            except ValueError:
                self.put("an empty cell")
        codes = list(_with_nested(function.__code__))
        attributes = sorted({name for code in codes for name in code.co_names})
        for name in sorted({name for code in codes for name in _globals(code)}):
            self.put(name)
            if name in function.__globals__:
                self.global_(function.__globals__[name], attributes)
        # What `overload` makes Numba compile in place of this function.
        cpu_target.typing_context.refresh()
        known = cpu_target.typing_context._lookup_global(function)
        for template in getattr(known, "templates", ()):
            if hasattr(template, "_overload_func"):
                self.visit(template._overload_func)

    def global_(self, value: Any, attributes: list[str]) -> None:
        """A global value; of a user's module, the attributes that may be used."""
        self.visit(value)
        if isinstance(value, ModuleType) and not _is_covered(value.__name__):
            if self.again(value, *attributes):
                return
            for name in attributes:
                if hasattr(value, name):
                    self.put(name)
                    self.global_(getattr(value, name), attributes)

    def class_(self, cls: type) -> None:
        """The functions and data of a user's class, not what only Python calls."""
        self.put(cls.__module__, cls.__qualname__, getattr(cls, "_fields", ()))
        for base in cls.__mro__[1:]:
            self.visit(base)
        for name, value in sorted(vars(cls).items()):
            generated = name.startswith("__") or name in (*getattr(cls, "_fields", ()), "_fields")
            if not generated and not isinstance(value, (classmethod, property)):
                self.put(name)
                self.visit(value)


def _with_nested(code: CodeType) -> Any:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_nested(constant)


def _globals(code: CodeType) -> Any:
    return (line.argval for line in dis.get_instructions(code) if line.opname == "LOAD_GLOBAL")


def _is_named(value: Any) -> bool:
    """Whether the name of a class or function says all about it."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return False
    return isinstance(value, BuiltinFunctionType) or _is_covered(module)


def _is_covered(module: str) -> bool:
    """Whether a module belongs to Python or to a package whose version is known."""
    top = module.partition(".")[0]
    if top in _PACKAGES or top not in sys.stdlib_module_names:
        return top in _PACKAGES
    # a user's module may have the name of one of Python's
    file = getattr(sys.modules.get(top), "__file__", None)
    return file is None or file.startswith(_STANDARD_LIBRARY + os.sep)


def _can_be_imported(cls: type) -> bool:
    """Whether another process finds this very class by its name."""
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls and cls.__module__ not in ("__main__", "__mp_main__")
