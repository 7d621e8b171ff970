"""How kernels are run.

A kernel is a function ``f(thread, threads, *arguments)`` of the thread's number, how many there
are, and what `launch` is given: arrays, numbers and tuples of them.  It strides over the work, so
the result never depends on how many threads there are.  It is plain `njit` code: Numba compiles it
for the GPU inside a kernel of one line, and for the CPU where the simulator runs it.

Numba compiles, and CuPy launches, on its current GPU and stream: Numba's own launches take ten
times as long.
"""

import functools
import struct
import threading
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from lowprec.cuda import SIMULATED, cuda, current_gpu, load_function, pointers_to
from lowprec.kernels.cache import cached
from lowprec.kernels.cuda.arguments import CELL, check, flatten, letters_of, packing_of, type_of
from lowprec.kernels.cuda.cubin import cubin_of

# What kernels are made of, and the functions of threads, which the simulator calls from Python.
INLINE = {"forceinline": True, "nogil": True, "error_model": "numpy", "_nrt": False}
THREAD = {"nogil": True, "error_model": "numpy", "_nrt": False}
BLOCK = 256  # threads of a block
_MOST_BLOCKS = 1 << 16
_MOST_BYTES = 3584  # of arrays among the arguments of a kernel: a GPU takes 4 KB in all
# Each thread of the simulator is a thread of Python.
_SIMULATED_BLOCKS, _SIMULATED_BLOCK = 2, 2
_one_at_a_time = threading.Lock()  # the simulator cannot run two kernels
WARP = _SIMULATED_BLOCK if SIMULATED else 32


class Kernel:
    """A kernel, with what it was compiled to so far.

    Attributes
    ----------
    function : function
        What a thread does.
    run : object
        The same as Numba's kernel, of one argument: the tuple of all.
    variants : dict
        What was compiled, by what `flatten` says of the arguments.
    """

    def __init__(self, function, run):
        self.function, self.run = function, run
        self.__name__ = function.__name__
        self.variants = {}


class _Variant:
    """A kernel on one GPU, compiled for the types of its arguments."""

    def __init__(self, function, letters):
        self._function = function
        self._pack = struct.Struct(packing_of(letters)).pack_into
        # the driver reads them where it launches
        self._cells: Any = np.zeros(len(letters), np.uint64)
        address = self._cells.ctypes.data
        self._pointers = pointers_to([address + CELL * i for i in range(len(letters))])
        self._lock = threading.Lock()

    def launch(self, blocks, numbers):
        with self._lock:
            self._pack(self._cells, 0, *numbers)
            self._function((blocks,), (BLOCK,), self._pointers)


KERNELS: dict = {}  # by name, for those who inspect what is compiled


def kernel(function):
    """A GPU kernel that runs `function` in every thread."""
    compiled = cached(njit(**THREAD)(function))

    # all arguments are one tuple, so that this serves any number of them
    @cuda.jit
    def run(arguments):
        compiled(np.int64(cuda.grid(1)), np.int64(cuda.gridsize(1)), *arguments)

    run.__name__ = function.__name__
    KERNELS[function.__name__] = Kernel(function, run)
    return KERNELS[function.__name__]


def launch(kernel, threads, *arguments):
    """Run a kernel with about this number of threads; with fewer, each takes more items."""
    if threads == 0:
        return
    if SIMULATED:
        check(arguments, None)
        with _one_at_a_time:
            kernel.run[_SIMULATED_BLOCKS, _SIMULATED_BLOCK](arguments)
        return
    kinds: list = [current_gpu()]
    numbers: list = []
    flatten(arguments, kinds, numbers)
    variant = kernel.variants.get(tuple(kinds))
    if variant is None:
        variant = kernel.variants[tuple(kinds)] = _variant(kernel, arguments, kinds[0])
    variant.launch(min(-(-threads // BLOCK), _MOST_BLOCKS), numbers)


def _variant(kernel, arguments, gpu):
    check(arguments, gpu)
    name, cubin = cubin_of(kernel, type_of(arguments), gpu)
    return _Variant(load_function(name, cubin), letters_of(arguments))


def in_groups(items, arrays):
    """Pack items, each this number of 1-D arrays, into tuples that one kernel can take."""
    most = _MOST_BYTES // (CELL * len(letters_of(np.empty(0))) * arrays)
    return [tuple(items[first : first + most]) for first in range(0, len(items), most)]


@njit(**INLINE)
def after(place, threads):
    """The next place of a thread: ``place + threads``.

    It may wrap, for all that the compiler knows, so it cannot count the steps of a loop before it
    runs, to unroll it: a thread has one or few, and counting takes a 64-bit division.
    """
    return np.int64(np.uint64(place) + np.uint64(threads))


class RowThreads(NamedTuple):
    """How many threads share a row: a power of 2, so that a GPU need not divide."""

    threads: int
    shift: int  # its logarithm


@functools.cache
def one_for_each(items):
    """For a row of so many items: at least as many, of which those past the last one do nothing."""
    shift = max(0, items - 1).bit_length()
    return RowThreads(1 << shift, shift)


@functools.cache
def lanes_for(items):
    """For a row of so many items: they divide a warp."""
    most = one_for_each(WARP)
    return min(most, one_for_each(items))
