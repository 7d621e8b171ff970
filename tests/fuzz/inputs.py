"""What cases are made of: choices, numbers, arrays laid out otherwise, a folder for files."""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np


def pick(rng, choices):
    return choices[int(rng.integers(len(choices)))]


def floats_of_any_bits(rng, size):
    """All patterns alike, or the numbers around those that a format can hold."""
    bits = rng.integers(0, 2**32, size, np.uint32)
    if rng.random() < 0.5:
        return bits.view(np.float32)
    exponents = rng.integers(-30, 20, size)
    mantissas = 1 + rng.integers(0, 2**11, size) / 2.0**11
    near = (mantissas * 2.0**exponents * rng.choice([-1, 1], size)).astype(np.float32)
    return (near.view(np.int32) + rng.integers(-2, 3, size).astype(np.int32)).view(np.float32)


def layouts(rng, array):
    """The same values, laid out otherwise.

    Numba compiles kernels anew for arrays that cannot be written, so only some functions see them.
    """
    kind = int(rng.integers(6 if array.dtype == np.float32 and array.ndim == 1 else 5))
    if kind == 0:
        return np.repeat(array, 2, axis=0)[::2]
    if kind == 1:
        return np.ascontiguousarray(array[::-1])[::-1]
    if kind == 2:
        return array.astype(array.dtype.newbyteorder(">"))
    if kind == 3:
        shifted = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        shifted[...] = array
        return shifted
    if kind == 4:
        return np.asfortranarray(array)
    copy = array.copy()
    copy.setflags(write=False)
    return copy


def with_entry(array, place, value):
    copy = np.array(array)
    copy.flat[place] = value
    return copy


@functools.cache
def folder():
    """Where files are written: in memory, if there is such a place."""
    home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    holder = tempfile.mkdtemp(dir=home)
    atexit.register(shutil.rmtree, holder)
    return Path(holder)
