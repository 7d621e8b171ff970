"""How every CPU kernel is compiled: without the GIL, cached on disk, and never with fastmath."""

from typing import Any

# What kernels are made of.  Such a function works on arrays that it is given and makes none, so it
# needs no reference counts; without `_nrt=False` each view of a row costs two atomic operations.
SERIAL: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
# What Python calls: only these are looked for on disk, which takes time on import.
SERIAL_KERNEL: dict[str, Any] = {**SERIAL, "cache": True}
PARALLEL: dict[str, Any] = {**SERIAL_KERNEL, "parallel": True, "_nrt": True}
