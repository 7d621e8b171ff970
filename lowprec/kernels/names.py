"""Names by which Numba tells compiled functions and classes apart, made unambiguous."""

from __future__ import annotations

import itertools
import os
import threading
import uuid

from numba.core.bytecode import FunctionIdentity

_classes: dict[tuple[str, tuple], type] = {}  # kept alive, as Numba keeps what it compiled
_told_apart: set[type] = set()
_lock = threading.Lock()


def number_functions() -> None:
    """Let Numba number the functions that it compiles from a random number on.

    Compiled functions call each other by names made of their names, their numbers and the names of
    their types, which differ less than the types do: a record's is a number too.  Numbers that
    began with 1 in every process would give functions of two kernels the same name, and a process
    that loads both kernels from disk would run one function for the other.
    """
    FunctionIdentity._unique_ids = itertools.count(uuid.uuid4().int >> 66)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=number_functions)


def tell_apart(cls: type) -> type:
    """Rename a NamedTuple class if Numba would take its instances for those of another one.

    Numba knows a class by its `__name__` and the names of its fields alone, and would run a kernel
    that it compiled for another rule, or for this one before it was edited in a notebook.
    """
    if cls in _told_apart:  # without the lock: this runs once a step
        return cls
    name, fields = cls.__name__, getattr(cls, "_fields", ())
    with _lock:
        for number in itertools.count(2):
            if _classes.setdefault((cls.__name__, fields), cls) is cls:
                _told_apart.add(cls)
                return cls
            cls.__name__ = f"{name}_{number}"
    raise AssertionError
