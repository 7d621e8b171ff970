"""Functions that are compiled for other compiled functions alone."""

import copy
import pickle

import numpy as np
import pytest
from numba import njit, types
from numba.core.registry import cpu_target

from lowprec.scalar import xorshift
from lowprec.scalar.internal import internal, overloaded


@internal(error_model="numpy")
def scaled(x, factor):
    total = np.float32(0.0)
    for value in x:
        total += value * factor
    return total


@internal(forceinline=True)
def twice(x):
    return scaled(x, np.float32(2.0))


@njit
def caller(x):
    return twice(x)


def library_of(function):
    (compiled,) = function.overloads.values()
    return compiled.library


def test_a_compiled_function_calls_it():
    x = np.arange(5, dtype=np.float32)
    assert caller(x) == 20
    for function in (twice, scaled):
        library = library_of(function)
        assert (
            library.get_pointer_to_function(function.overloads.popitem()[1].fndesc.mangled_name)
            == 0
        )
    assert caller.overloads.popitem()[1].entry_point(x) == 20


def size_or_one(value): ...


@overloaded(size_or_one, forceinline=True)
def _overload_size_or_one(value):
    if isinstance(value, types.Array):
        return lambda value: value.size
    return lambda value: 1


@njit
def sizes(array, number):
    return size_or_one(array), size_or_one(number)


def test_an_overload_is_linked_too():
    assert sizes(np.zeros(7), 3) == (7, 1)
    templates = cpu_target.typing_context.resolve_value_type(size_or_one).templates
    compiled = [
        dispatcher for template in templates for dispatcher, _ in template._impl_cache.values()
    ]
    assert len(compiled) == 2
    for dispatcher in compiled:
        assert library_of(dispatcher).get_pointer_to_function("any") == 0


def test_what_is_left_out_is_left_out():
    """Numba's own finalizing would optimize each function before it is linked: twice the time."""

    @internal()
    def third(x):
        return x / 3

    @njit
    def calls(x):
        return third(x)

    calls(1.0)
    name = third.overloads[third.signatures[0]].fndesc.llvm_func_name
    engine = library_of(third).codegen._engine
    assert not engine.is_symbol_defined(name)  # it was linked into its caller and inlined
    assert engine.is_symbol_defined(calls.overloads[calls.signatures[0]].fndesc.llvm_func_name)
    assert "cpython" not in library_of(third).get_llvm_str()
    assert "cpython" in library_of(calls).get_llvm_str()


@pytest.mark.parametrize("first", ["Python", "compiled"])
def test_python_calls_it(first):
    @internal()
    def half(x):
        return x / 2

    if first == "compiled":
        njit(lambda x: half(x))(4.0)
    assert half(3.0) == 1.5
    assert half(np.float32(3.0)) == 1.5
    with pytest.raises(TypeError, match="too many arguments"):
        half(3.0, 4.0)


def test_errors_reach_the_caller():
    @internal()
    def checked(x):
        if x < 0:
            raise ValueError("negative")
        return x

    calls = njit(lambda x: checked(x))
    assert calls(1) == 1
    with pytest.raises(ValueError, match="negative"):
        calls(-1)


def test_copies_and_pickles():
    key = np.uint64(7), np.uint64(3)
    expected = xorshift.derive(*key)
    for twin in (
        copy.copy(xorshift.derive),
        copy.deepcopy(xorshift.derive),
        pickle.loads(pickle.dumps(xorshift.derive)),
    ):
        assert twin(*key) == expected
