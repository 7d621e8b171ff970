"""What a kernel is launched with, as the driver takes it: one number for each parameter.

Numba's kernels take an array as two null pointers (the owners that it knows on the host), the
number of elements, the bytes of one, the address, the shape and the strides; a tuple as its items,
one after the other; a number as it is.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import types
from numba.np.numpy_support import from_dtype

# Numbers that kernels are given, as `struct` names them.
_LETTERS = {
    bool: "?", np.bool_: "?", int: "q", np.int64: "q", np.uint64: "Q", np.int32: "i",
    np.uint32: "I", np.float32: "f", np.float64: "d",
}  # fmt: skip
CELL = 8  # bytes that each number is kept in
_NULL = 0


@dataclass(frozen=True)
class Words:
    """An array of CuPy, which has no records, as words of a format."""

    array: Any
    dtype: np.dtype

    @property
    def shape(self):
        return self.array.shape

    @property
    def size(self):
        return self.array.size


def address_of(array):
    """Where the memory of an array of the device begins; the simulator's are NumPy's."""
    if isinstance(array, Words):
        array = array.array
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


def flatten(arguments, kinds, numbers):
    """Append to `numbers` what the driver is given, and to `kinds` what a kernel is compiled for.

    Arguments are arrays of CuPy, `Words`, numbers and tuples of them.
    """
    for argument in arguments:
        kind = type(argument)
        letter = _LETTERS.get(kind)
        if letter is not None:
            kinds.append(letter)
            numbers.append(argument)
        elif issubclass(kind, tuple):
            kinds += (kind, len(argument))
            flatten(argument, kinds, numbers)
        else:
            dtype = argument.dtype
            array = argument.array if kind is Words else argument
            memory, shape = array.data, array.shape
            kinds += (dtype, len(shape), memory.device_id, array.flags.c_contiguous)
            numbers += (_NULL, _NULL, array.size, dtype.itemsize, memory.ptr)
            numbers += shape
            numbers += array.strides


def type_of(argument):
    """The type that Numba compiles for."""
    if isinstance(argument, tuple):
        return types.BaseTuple.from_types(tuple(map(type_of, argument)), type(argument))
    if type(argument) in _LETTERS:
        return numba.typeof(argument)
    return types.Array(from_dtype(argument.dtype), len(argument.shape), "C")


def letters_of(argument):
    """What `flatten` makes of an argument, as `struct` names it: a letter for each number."""
    if isinstance(argument, tuple):
        return "".join(map(letters_of, argument))
    if type(argument) in _LETTERS:
        return _LETTERS[type(argument)]
    return "QQqqQ" + "qq" * len(argument.shape)


def packing_of(letters):
    """How `struct` packs numbers, each into a cell of its own."""
    sizes = {"?": 1, "i": 4, "I": 4, "f": 4}
    return "<" + "".join(f"{letter}{CELL - sizes.get(letter, CELL)}x" for letter in letters)


def check(argument, gpu):
    """What kernels rely on: arrays lie on the current GPU, number `gpu`, and are C-contiguous.

    In the simulator, where `gpu` is None, they have no place.
    """
    if isinstance(argument, tuple):
        for each in argument:
            check(each, gpu)
    elif type(argument) not in _LETTERS:
        array = argument.array if isinstance(argument, Words) else argument
        if gpu is not None and array.data.device_id != gpu:
            there = array.data.device_id
            raise RuntimeError(
                f"an array lies on GPU {there}, and GPU {gpu} is the current one; work "
                f"with it inside `with cupy.cuda.Device({there}):`"
            )
        assert array.flags.c_contiguous, "a kernel is given an array that is not C-contiguous"
