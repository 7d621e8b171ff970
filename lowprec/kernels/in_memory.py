"""Numbers that kernels read from the memory of their device, where they are given others by value.

A CUDA graph repeats launches with the arguments that they had.  What is another number at each
step, such as the learning rate, is therefore in an array that the host fills anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from lowprec.scalar.bits import bits_as_float, u32
from lowprec.scalar.internal import overloaded

_INLINE = {"forceinline": True, "error_model": "numpy", "nogil": True, "_nrt": False}


class InMemory(NamedTuple):
    """Numbers as they are in `cells`; those of `like` are of the same types, and do not count."""

    like: Any  # a float32 or uint64, or tuples of them
    cells: Any  # uint64, one for each number, on the device


def like_of(numbers: Any) -> Any:
    """What decides which kernels are launched: types, and numbers that are the same at all steps.

    `numbers` are `InMemory` or given by value.
    """
    return numbers.like if isinstance(numbers, InMemory) else numbers


def cells_of(numbers: Any) -> NDArray[np.uint64]:
    """The cells of numbers, in the memory of the host."""
    return np.array(list(_each(numbers)), np.uint64)


def in_cells(numbers: Any, cells: Any) -> tuple[InMemory, ...]:
    """Each item of a tuple as the next of these `cells`, which hold all of them."""
    found, first = [], 0
    for item in numbers:
        last = first + sum(1 for _ in _each(item))
        found.append(InMemory(item, cells[first:last]))
        first = last
    return tuple(found)


def _each(numbers: Any) -> Iterator[int]:
    if isinstance(numbers, tuple):
        for item in numbers:
            yield from _each(item)
    elif isinstance(numbers, np.float32):
        yield int(numbers.view(np.uint32))
    elif isinstance(numbers, np.uint64):
        yield int(numbers)
    else:
        raise TypeError(f"only float32 and uint64 are kept in memory, got {numbers!r}")


def taken(numbers: Any) -> Any:
    """The numbers of a step, from wherever they are: for kernels."""


@overloaded(taken, **_INLINE)
def _overload_taken(numbers):  # type: ignore[no-untyped-def]
    if getattr(numbers, "instance_class", None) is not InMemory:
        return lambda numbers: numbers
    return lambda numbers: _read(numbers.like, numbers.cells, 0)


def _read(like, cells, first):  # type: ignore[no-untyped-def]
    """The numbers of the types of `like` from a cell on."""


@overloaded(_read, **_INLINE)
def _overload_read(like, cells, first):  # type: ignore[no-untyped-def]
    if like == types.float32:
        return lambda like, cells, first: bits_as_float(u32(cells[first]))
    if like == types.uint64:
        return lambda like, cells, first: cells[first]
    if not isinstance(like, types.BaseNamedTuple):
        return lambda like, cells, first: _read_items(like, cells, first)
    made = like.instance_class
    return lambda like, cells, first: made(*_read_items(like, cells, first))


def _read_items(like, cells, first):  # type: ignore[no-untyped-def]
    """The items of a tuple of the types of `like` from a cell on."""


@overloaded(_read_items, **_INLINE)
def _overload_read_items(like, cells, first):  # type: ignore[no-untyped-def]
    if len(like) == 0:
        return lambda like, cells, first: ()
    count = _count(like[0])
    return lambda like, cells, first: (
        (_read(like[0], cells, first),) + _read_items(like[1:], cells, first + count)  # noqa: RUF005
    )


def _count(like: types.Type) -> int:
    """How many numbers a Numba type has."""
    return sum(map(_count, like)) if isinstance(like, types.BaseTuple) else 1
