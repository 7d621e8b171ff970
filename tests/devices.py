"""Runs the tests of the CPU on another device: ``LOWPREC_TEST_DEVICE=cuda python -m pytest ...``.

The device that functions take unless they are told one is replaced, so tests need not name it.
"""

import functools
import inspect
import os
import threading

import numpy as np
import pytest

import lowprec as lp
import lowprec.cuda

DEVICE = os.environ.get("LOWPREC_TEST_DEVICE", "cpu")
GPU_IS_REQUIRED = os.environ.get("LOWPREC_REQUIRE_GPU") == "1"
NO_GPU = lowprec.cuda.why_unavailable()

with_gpu = pytest.mark.skipif(
    bool(NO_GPU) and not GPU_IS_REQUIRED, reason=f"needs a GPU or its simulator: {NO_GPU}"
)
on_the_host = pytest.mark.skipif(
    DEVICE != "cpu" and not lowprec.cuda.SIMULATED, reason="gives arrays of NumPy to fill"
)
without_gpu = pytest.mark.skipif(
    not NO_GPU or GPU_IS_REQUIRED, reason="there is a GPU, or its simulator"
)

_CONCURRENT_MANAGED_ACCESS = 89  # cudaDevAttrConcurrentManagedAccess

_FUNCTIONS = (
    lp.EmbeddingTable.__init__,
    lp.LogisticRegression.__init__,
    lp.DLRM.__init__,
    lp.nearest_round,
    lp.round_up_probability,
    lp.stochastic_round,
)


def set_default_device(device):
    """Make `device` the default of every public function that takes one."""
    for function in _FUNCTIONS:
        parameters = inspect.signature(function).parameters.values()
        named = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
        function.__defaults__ = tuple(
            device if each.name == "device" else each.default
            for each in named
            if each.default is not each.empty
        )


def share_memory_with_the_host():
    """Let tests see arrays of the GPU as NumPy's, so that those of the CPU run as they are.

    CuPy then allocates managed memory, which both sides can read and write.
    """
    import cupy

    cupy.cuda.set_allocator(cupy.cuda.MemoryPool(cupy.cuda.malloc_managed).malloc)

    managed = cupy.cuda.runtime.deviceGetAttribute(_CONCURRENT_MANAGED_ACCESS, 0)
    assert managed, "this GPU, or what lends it, cannot share managed memory with the host"

    def on_host(array):
        cupy.cuda.Device().synchronize()
        # as integers: their interface has no names for bfloat16 and 8-bit floats
        words = np.asarray(_Shared(array.view(f"u{array.itemsize}")))
        return words.view(array.dtype)

    def returning_arrays_on_host(function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            result = function(*args, **kwargs)
            return on_host(result) if isinstance(result, cupy.ndarray) else result

        return wrapped

    table = lp.EmbeddingTable
    table.weight = property(
        lambda self: (
            on_host(self._weight).view(self.dtype)
            if self.device == "cuda"
            else self._weight.view(self.dtype)
        )
    )
    table.lookup = returning_arrays_on_host(table.lookup)
    for name in ("nearest_round", "round_up_probability", "stochastic_round"):
        setattr(lp, name, returning_arrays_on_host(getattr(lp, name)))


class _Shared:
    """An array of managed memory, by NumPy's interface; keeps the memory alive."""

    def __init__(self, array):
        self._array = array
        self.__array_interface__ = {**array.__cuda_array_interface__, "version": 3}


def simulate_threads_in_turn(in_turn):
    """Let the simulator run the threads of a block one after the other, or beside each other.

    No kernel of lowprec waits for another thread.  Threads of Python take a millisecond a launch,
    which is too long for training; and the simulator's own way asks all the time whether they are
    done, which takes as long again.
    """
    from numba.cuda.simulator import kernel

    def run_in_turn(manager, grid_point, *arguments):
        thread = threading.current_thread()
        for block_point in np.ndindex(*manager._block_dim):
            thread.blockIdx = kernel.Dim3(*grid_point)
            thread.threadIdx = kernel.Dim3(*block_point)
            manager._f(*arguments)

    def run_side_by_side(manager, grid_point, *arguments):
        threads = [
            kernel.BlockThread(lambda: manager._f(*arguments), manager, grid_point, point, False)
            for point in np.ndindex(*manager._block_dim)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for thread in threads:
            if thread.exception:
                raise thread.exception[0].with_traceback(thread.exception[1])

    kernel.BlockManager.run = run_in_turn if in_turn else run_side_by_side


def host(array):
    """What an array holds, as one of NumPy, wherever it is."""
    return np.asarray(array.get() if hasattr(array, "get") else array)
