"""How kernels are run.

A kernel is a function ``f(thread, threads, *arguments)`` of the thread's number, how many there
are, and what `launch` is given: arrays, numbers and tuples of them.  It strides over the work, so
the result never depends on how many threads there are.  It is plain `njit` code: Numba compiles it
for the GPU inside a kernel of one line, and for the CPU where the simulator runs it.

Never pass an empty array, which Numba rejects from CuPy.  Pass any other array in its place, and a
flag that says to ignore it.
"""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from lowprec.cuda import SIMULATED, check_current, cuda, current_stream
from lowprec.kernels.cache import cached

# What kernels are made of, and the functions of threads, which the simulator calls from Python.
INLINE = {"forceinline": True, "nogil": True, "error_model": "numpy", "_nrt": False}
THREAD = {"nogil": True, "error_model": "numpy", "_nrt": False}
BLOCK = 256  # threads of a block
_MOST_BLOCKS = 1 << 16
# Each thread of the simulator is a thread of Python.
_SIMULATED_BLOCKS, _SIMULATED_BLOCK = 2, 2
_one_at_a_time = threading.Lock()  # the simulator cannot run two kernels
WARP = _SIMULATED_BLOCK if SIMULATED else 32


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

    @property
    def __cuda_array_interface__(self):
        return self.array.__cuda_array_interface__


KERNELS: dict = {}  # by name, for those who inspect what is compiled


def kernel(function):
    """A GPU kernel that runs `function` in every thread."""
    compiled = cached(njit(**THREAD)(function))

    # all arguments are one tuple, so that this serves any number of them
    @cuda.jit
    def run(arguments):
        compiled(np.int64(cuda.grid(1)), np.int64(cuda.gridsize(1)), *arguments)

    run.__name__ = function.__name__
    KERNELS[function.__name__] = run
    return run


def launch(run, threads, *arguments):
    """Run a kernel by about so many threads: fewer stride further."""
    if threads == 0:
        return
    if SIMULATED:
        with _one_at_a_time:
            run[_SIMULATED_BLOCKS, _SIMULATED_BLOCK](arguments)
        return
    blocks = min(-(-threads // BLOCK), _MOST_BLOCKS)
    run[blocks, BLOCK, current_stream()](_as_numba_has(arguments))


def _as_numba_has(argument):
    """The same, with arrays as Numba's, without a copy; of a tuple, which may hold others."""
    if isinstance(argument, tuple):
        mapped = map(_as_numba_has, argument)
        return type(argument)(*mapped) if hasattr(argument, "_fields") else tuple(mapped)
    if not hasattr(argument, "__cuda_array_interface__"):
        return argument
    check_current(argument.array if isinstance(argument, Words) else argument)
    # both sides are on one stream, so there is nothing to wait for
    array = cuda.as_cuda_array(argument, sync=False)
    return array.view(argument.dtype) if isinstance(argument, Words) else array


def threads_per_row(items):
    """How many threads share a row of so many items: a power of 2 that divides a warp."""
    return min(WARP, 1 << max(0, items - 1).bit_length())
