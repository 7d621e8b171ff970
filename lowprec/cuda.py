"""The one place that imports `numba.cuda`, NVIDIA's or Numba's own, and CuPy.

Importing this module never raises: `why_unavailable` says what is missing, in words for the user.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numba import config

_INSTALL = 'pip install "lowprec[cuda13]" (or "lowprec[cuda12]" for a driver older than 580)'

_OLDEST_CUPY = 14

cuda: Any = None
_import_error = ""
try:
    from numba import cuda  # type: ignore[no-redef]
except (ImportError, AttributeError) as error:  # an AttributeError where versions do not fit
    _import_error = f"{type(error).__name__}: {error}"

SIMULATED = bool(config.ENABLE_CUDASIM)


def why_unavailable() -> str:
    """Why no GPU can be used, and what to do about it; an empty string if one can be used.

    Numba's simulator (``NUMBA_ENABLE_CUDASIM=1``), which uses NumPy arrays, counts as a GPU.

    Returns
    -------
    str
        The reason in the RuntimeError of ``device="cuda"``.

    Examples
    --------
    >>> import lowprec.cuda
    >>> isinstance(lowprec.cuda.why_unavailable(), str)
    True
    """
    if cuda is None:
        return f"numba.cuda cannot be imported ({_import_error}); {_INSTALL}"
    if SIMULATED:
        return ""
    return _why_no_driver() or _why_no_cupy()


def _why_no_driver() -> str:
    from numba.cuda.cudadrv.error import CudaSupportError

    try:
        devices = len(cuda.gpus)
    except CudaSupportError as error:
        reason = " ".join(str(error).split())
        return f"there is no working NVIDIA driver ({reason}); install one for this GPU"
    if not devices:
        return "the NVIDIA driver sees no GPU; CUDA_VISIBLE_DEVICES may hide it"
    if not cuda.is_available():
        return f"Numba finds the GPU but not the CUDA libraries it compiles with; {_INSTALL}"
    return ""


def _why_no_cupy() -> str:
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported ({error}); {_INSTALL}"
    if int(cupy.__version__.split(".")[0]) < _OLDEST_CUPY:
        return (
            f"CuPy is {cupy.__version__}, and its sort waits for the GPU before version "
            f"{_OLDEST_CUPY}; {_INSTALL}"
        )
    try:
        from cupy_backends.cuda.libs import cublas  # noqa: F401
    except ImportError as error:
        return f"CuPy finds no cuBLAS, which models multiply matrices by ({error}); {_INSTALL}"
    try:
        from cupy_backends.cuda.libs import nvrtc

        nvrtc.getVersion()  # CuPy loads it at the first call
    except (ImportError, OSError, RuntimeError) as error:
        return f"CuPy finds no NVRTC, which compiles its own kernels ({error}); {_INSTALL}"
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy finds no GPU ({error}); install the CuPy that fits the driver: {_INSTALL}"
    return ""


def array_module() -> ModuleType:
    """CuPy, or NumPy for the simulator, whose device memory is the host's."""
    if SIMULATED:
        return np
    import cupy

    return cupy  # type: ignore[no-any-return]


def current_gpu() -> int:
    """The number of CuPy's current GPU, on which kernels run."""
    return int(array_module().cuda.device.get_device_id())


def capability_of(gpu: int) -> tuple[int, int]:
    """The compute capability of a GPU, such as (9, 0)."""
    digits = array_module().cuda.Device(gpu).compute_capability  # "90"
    return int(digits[:-1]), int(digits[-1])


def versions() -> tuple[str, ...]:
    """What compiles kernels."""
    name = getattr(cuda, "implementation", "unknown")
    with suppress(PackageNotFoundError):
        return name, version("numba-cuda")
    return (name,)


def compile_kernel(run: Any, types: Any, capability: tuple[int, int]) -> tuple[str, bytes]:
    """The name and the machine code of what ``cuda.jit`` made, for one argument of these types."""
    from numba.cuda.dispatcher import _Kernel

    kernel = _Kernel(run.py_func, (types,), **run.targetoptions)
    cubin = kernel.library.get_cubin(cc=capability)
    return kernel.entry_name, getattr(cubin, "code", cubin)  # NVIDIA's, or Numba's own


def load_function(name: str, cubin: bytes) -> Any:
    """A kernel that can be launched on CuPy's current GPU, on its current stream.

    It is called with the blocks, their threads, and `pointers_to` its arguments.
    """
    module = array_module().cuda.function.Module()
    module.load(cubin)
    return module.get_function(name)


def pointers_to(addresses: list[int]) -> list[Any]:
    """Addresses of the host as the launch takes them, of what a kernel is given."""
    return [array_module().cuda.function.CPointer(address) for address in addresses]


def nccl_backend(size: int, rank: int) -> Any:
    """NCCL among so many ranks, each with its current GPU; MPI brings them together.

    Its calls are those of `lowprec.mpi.nccl.Backend`.  ImportError if CuPy or its NCCL is missing.
    """
    from cupy.cuda import nccl
    from cupyx.distributed import init_process_group

    backend = init_process_group(size, rank, use_mpi=True)
    return SimpleNamespace(
        send=backend.send,
        recv=backend.recv,
        begin_group=nccl.groupStart,
        end_group=nccl.groupEnd,
    )
