"""How kernels are run.

A kernel is a function ``f(thread, threads, arrays, numbers)`` of the thread's number, how many
there are, a NamedTuple of arrays and one of numbers, which strides over the work.  It is plain
`njit` code: Numba compiles it for the GPU inside a kernel of one line, and for the CPU where the
simulator runs it.  The result never depends on how many threads there are.  No array is empty,
for Numba takes none from others; flags among the numbers say which arrays mean nothing.
"""

import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lowprec.cuda import SIMULATED, cuda, current_stream

# What kernels are made of, and the functions of threads, which the simulator calls from Python.
INLINE = {"forceinline": True, "nogil": True, "error_model": "numpy", "_nrt": False}
THREAD = {"nogil": True, "error_model": "numpy", "_nrt": False}
BLOCK = 256  # threads of a block
_MOST_BLOCKS = 1 << 16
# Each thread of the simulator is a thread of Python.
_SIMULATED_BLOCKS, _SIMULATED_BLOCK = 2, 2
_one_at_a_time = threading.Lock()  # the simulator cannot run two kernels
WARP = _SIMULATED_BLOCK if SIMULATED else 32


class NoNumbers(NamedTuple):
    """For kernels that need none: Numba has no empty tuples among arguments."""

    nothing: np.int64 = np.int64(0)


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

    @cuda.jit
    def run(arrays, numbers):
        function(np.int64(cuda.grid(1)), np.int64(cuda.gridsize(1)), arrays, numbers)

    run.__name__ = function.__name__
    KERNELS[function.__name__] = run
    return run


def launch(run, threads, arrays, numbers):
    """Run a kernel by about so many threads: fewer stride further."""
    if threads == 0:
        return
    if SIMULATED:
        with _one_at_a_time:
            run[_SIMULATED_BLOCKS, _SIMULATED_BLOCK](arrays, numbers)
        return
    blocks = min(-(-threads // BLOCK), _MOST_BLOCKS)
    run[blocks, BLOCK, current_stream()](_as_numba_has_them(arrays), numbers)


def _as_numba_has_them(arrays):
    """The same arrays, without a copy, as Numba's; of a tuple, which may hold others."""
    if isinstance(arrays, tuple):
        mapped = map(_as_numba_has_them, arrays)
        return type(arrays)(*mapped) if hasattr(arrays, "_fields") else tuple(mapped)
    # both sides are on one stream, so there is nothing to wait for
    as_it_is = cuda.as_cuda_array(arrays, sync=False)
    return as_it_is.view(arrays.dtype) if isinstance(arrays, Words) else as_it_is


def lanes_for(items):
    """How many threads share a row of so many items: a power of 2 that divides a warp."""
    return np.int64(min(WARP, 1 << max(0, items - 1).bit_length()))
