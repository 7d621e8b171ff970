"""Arrays that end where memory ends, or begin there: one step too far kills the process.

Bounds checks of Numba do not see what intrinsics load and store through raw pointers.  This does.
"""

import ctypes
import mmap

import numpy as np

PAGE = mmap.PAGESIZE
_NO_ACCESS = 0


def empty(shape, dtype, *, at_end=True):
    """An array whose last byte (or, unless `at_end`, its first) is next to a forbidden page."""
    dtype = np.dtype(dtype)
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    inside = -(-max(nbytes, 1) // PAGE) * PAGE
    memory = mmap.mmap(-1, inside + 2 * PAGE)
    raw = np.frombuffer(memory, np.uint8)  # which keeps the memory
    libc = ctypes.CDLL(None, use_errno=True)  # here, as other systems have none of that name
    for place in (0, PAGE + inside):
        if libc.mprotect(ctypes.c_void_p(raw.ctypes.data + place), PAGE, _NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = PAGE + (inside - nbytes if at_end else 0)
    return raw[start : start + nbytes].view(dtype).reshape(shape)


def guarded(array, *, at_end=True):
    """A copy of an array in such memory."""
    array = np.asarray(array)
    copy = empty(array.shape, array.dtype, at_end=at_end)
    copy[...] = array
    return copy
