"""How every CPU kernel is compiled: cached on disk, without the GIL, and never with fastmath."""

from typing import Any

# Serial kernels work on arrays that they are given and make none, so they need no reference
# counts; without `_nrt=False` each view of a row costs two atomic operations.
SERIAL: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
PARALLEL: dict[str, Any] = {**SERIAL, "parallel": True, "_nrt": True}
