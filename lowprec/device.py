"""The one place that knows which kernels and which array library belong to a device."""

from __future__ import annotations

import functools
import math
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import lowprec.kernels.cpu
from lowprec.arithmetic import StandardArithmetic
from lowprec.checks import as_array, holds_numbers
from lowprec.formats.entries import word_dtype

CACHE_LINE_BYTES = 64
_DLPACK_GPU = 2  # kDLCUDA


class Device:
    """Where tables live: the CPU.

    Attributes
    ----------
    name : str
    xp : module
        NumPy, or what has its functions for the arrays of another device.
    kernels : module
        Functions of the same names for each device: see `lowprec.kernels`.
    asynchronous : bool
        Whether kernels run asynchronously, so that Python has to wait for results.
    streams : module, or None
        What makes streams and events of the device, where it has them.
    """

    name = "cpu"
    xp: ModuleType = np
    kernels: ModuleType = lowprec.kernels.cpu
    asynchronous = False
    streams: Any = None

    def __reduce__(self) -> Any:
        return get_device, (self.name,)

    def owns(self, values: Any) -> bool:
        """Whether an array is on this device and not in the memory of the host."""
        return False

    def asarray(self, values: Any, name: str = "values") -> Any:
        """Anything like an array, as one on this device: without a copy if it is there already.

        TypeError or ValueError says of the argument `name` why it is none.
        """
        return as_array(name, values)

    def contiguous(self, array: Any, dtype: DTypeLike) -> Any:
        """An array of this device as kernels take it: C-contiguous, aligned, native byte order."""
        flags = array.flags
        if array.dtype == dtype and flags.c_contiguous and flags.aligned:  # as nearly all are
            return array
        return np.require(array, dtype, ["C", "ALIGNED"])

    def held_as(self, storage: np.dtype) -> np.dtype:
        """The dtype of arrays of this device that hold a storage format: its own, where it can."""
        return storage

    def words(self, array: Any, storage: np.dtype) -> Any:
        """The memory of an array that holds a storage format, as kernels take it."""
        return array.view(word_dtype(storage))

    def empty_pinned(self, nbytes: int) -> NDArray[np.uint8]:
        """Bytes of the host that the device can copy from by itself."""
        return np.empty(nbytes, np.uint8)

    def may_share_memory(self, one: Any, other: Any) -> bool:
        """Whether arrays of this device might overlap, by where they begin and end."""
        return bool(np.may_share_memory(one, other))

    def address(self, array: Any) -> int:
        """Where the memory of an array of this device begins."""
        return int(array.ctypes.data)

    def check_float32(self, name: str, values: Any) -> Any:
        """`values` as a float32 array as kernels take it.

        Any other dtype is a TypeError: casting it would round, once and silently.
        """
        array = self.asarray(values, name)
        if array.dtype.kind != "f" or array.dtype.itemsize != 4:
            raise TypeError(f"{name} must be float32, got {array.dtype}; cast it first")
        return self.contiguous(array, np.float32)

    def as_float32(self, name: str, values: Any) -> Any:
        """Numbers of any dtype as kernels take them, each the nearest one of float32.

        TypeError if they are none; ValueError names a number that is finite and beyond float32.
        """
        array = self.asarray(values, name)
        if not holds_numbers(array.dtype):
            raise TypeError(f"{name} must hold numbers, got {array.dtype}")
        if array.dtype.kind == "f" and array.dtype.itemsize == 4:
            return self.contiguous(array, np.float32)
        # what overflows is looked for here
        with StandardArithmetic(), np.errstate(over="ignore", under="ignore"):
            single = array.astype(np.float32)
        if array.dtype.kind == "f" and array.dtype.itemsize > 4:
            beyond = self.xp.argwhere(self.xp.isinf(single) & self.xp.isfinite(array))
            if beyond.size:
                where = tuple(int(i) for i in beyond[0])
                raise ValueError(
                    f"{name}{list(where)} = {array[where]} is beyond float32, whose largest number "
                    f"is {np.finfo(np.float32).max}"
                )
        return self.contiguous(single, np.float32)

    def to_host(self, array: Any) -> NDArray[Any]:
        """A NumPy array with what an array of this device holds."""
        return np.asarray(array)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An uninitialised array that begins with a cache line: a row then touches none in vain."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        raw = np.empty(nbytes + CACHE_LINE_BYTES, np.uint8)
        start = -raw.ctypes.data % CACHE_LINE_BYTES
        return raw[start : start + nbytes].view(dtype).reshape(shape)


class CudaDevice(Device):
    """An NVIDIA GPU, the current one of CuPy; or Numba's simulator of one, on NumPy arrays."""

    name = "cuda"
    asynchronous = True

    def __init__(self) -> None:
        import lowprec.cuda as cuda

        reason = cuda.why_unavailable()
        if reason:
            raise RuntimeError(f"device='cuda' cannot be used: {reason}")
        import lowprec.kernels.cuda
        from lowprec.kernels.cuda.arguments import Words

        self.xp = cuda.array_module()
        self.streams = None if cuda.SIMULATED else self.xp.cuda
        self.kernels = lowprec.kernels.cuda
        self._words = Words

    def owns(self, values: Any) -> bool:
        """Whether an array is on a GPU: by the CUDA array interface or DLPack.

        The simulator has no memory of its own.
        """
        if self.streams is None:
            return False
        if hasattr(values, "__cuda_array_interface__"):
            return True
        return hasattr(values, "__dlpack_device__") and values.__dlpack_device__()[0] == _DLPACK_GPU

    def asarray(self, values: Any, name: str = "values") -> Any:
        """Arrays of CuPy, PyTorch and others on a GPU come in without a copy."""
        if hasattr(values, "__cuda_array_interface__"):
            return self.xp.asarray(values)
        if self.owns(values):
            return self.xp.from_dlpack(values)
        values = as_array(name, values)
        native = values.dtype.newbyteorder("=")
        return self.xp.asarray(values.astype(native, copy=False))

    def held_as(self, storage: np.dtype) -> np.dtype:
        """CuPy has no 8-bit floats, and bfloat16 with a new CUDA alone: integers hold them."""
        if self.streams is None or storage.kind == "f":
            return storage
        return np.dtype(f"u{storage.itemsize}")

    def words(self, array: Any, storage: np.dtype) -> Any:
        """The memory of an array that holds a storage format, as kernels take it."""
        dtype = word_dtype(storage)
        return array.view(dtype) if self.streams is None else self._words(array, dtype)

    def may_share_memory(self, one: Any, other: Any) -> bool:
        """By addresses: CuPy's compares allocations, of which what comes back from PyTorch is none.

        Both are C-contiguous.
        """
        if self.streams is None:
            return super().may_share_memory(one, other)
        begin, begin_other = one.data.ptr, other.data.ptr
        return bool(begin < begin_other + other.nbytes and begin_other < begin + one.nbytes)

    def address(self, array: Any) -> int:
        """Where the memory of an array of this device begins."""
        return super().address(array) if self.streams is None else int(array.data.ptr)

    def empty_pinned(self, nbytes: int) -> NDArray[np.uint8]:
        """Bytes of the host that the GPU can copy from by itself."""
        if self.streams is None:
            return np.empty(nbytes, np.uint8)
        return np.frombuffer(self.xp.cuda.alloc_pinned_memory(nbytes), np.uint8, nbytes)

    def contiguous(self, array: Any, dtype: DTypeLike) -> Any:
        """An array of this device as kernels take it: C-contiguous."""
        return self.xp.ascontiguousarray(array, dtype).reshape(array.shape)

    def to_host(self, array: Any) -> NDArray[Any]:
        """A NumPy array with what an array of this device holds, once it is computed."""
        return np.asarray(array if self.streams is None else self.xp.asnumpy(array))

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An uninitialised array."""
        return super().empty(shape, dtype) if self.streams is None else self.xp.empty(shape, dtype)


def get_device(name: str) -> Device:
    """The device called `name`.

    Raises
    ------
    RuntimeError
        For ``"cuda"`` where it cannot be used: says what is missing.
    ValueError
        For any other name but ``"cpu"``.
    """
    if not isinstance(name, str) or name not in _DEVICES:
        raise ValueError(f"device must be 'cpu' or 'cuda', got {name!r}")
    return _make_device(name)


def device_of(*values: Any) -> Device:
    """The GPU if one of these is in its memory, else the CPU."""
    on_gpu = any(
        hasattr(value, "__cuda_array_interface__")
        or (hasattr(value, "__dlpack_device__") and value.__dlpack_device__()[0] == _DLPACK_GPU)
        for value in values
    )
    return get_device("cuda" if on_gpu else "cpu")


def brought(device: Device, name: str, values: Any) -> Any:
    """The argument `name` as an array of `device`, from wherever it is."""
    source = device_of(values)
    if source.asynchronous and not device.asynchronous:
        values = source.to_host(source.asarray(values, name))
    return device.asarray(values, name)


_DEVICES = {"cpu": Device, "cuda": CudaDevice}


@functools.cache
def _make_device(name: str) -> Device:
    return _DEVICES[name]()
