"""The one place that imports `numba.cuda`, NVIDIA's or Numba's own, and CuPy.

Importing this module never raises: `why_unavailable` says what is missing, in words for the user.
"""

from __future__ import annotations

import os
from types import ModuleType
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


def quiet_small_launches() -> None:
    """Let Numba not warn of kernels of few threads, which those of small batches are.

    It is a setting of the process; where the user has set it in the environment, it stays.
    """
    if not SIMULATED and "NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS" not in os.environ:
        from numba.cuda import dispatcher

        dispatcher.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0


def check_current(array: Any) -> None:
    """RuntimeError unless an array of CuPy lies on its current GPU, on which kernels run."""
    import cupy

    current = cupy.cuda.Device().id
    if array.device.id != current:
        raise RuntimeError(
            f"an array lies on GPU {array.device.id}, and GPU {current} is the current one; work "
            f"with it inside `with cupy.cuda.Device({array.device.id}):`"
        )


def current_stream() -> Any:
    """CuPy's current stream as Numba has it: what kernels are put on, so they run in its order."""
    import cupy

    pointer = cupy.cuda.get_current_stream().ptr
    default = {0: "default_stream", 1: "legacy_default_stream", 2: "per_thread_default_stream"}
    if pointer in default:
        return getattr(cuda, default[pointer])()
    return cuda.external_stream(pointer)
