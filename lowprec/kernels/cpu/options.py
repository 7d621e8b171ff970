"""How every CPU kernel is compiled: without the GIL, and never with fastmath."""

from typing import Any

# What kernels are made of.  Such a function works on arrays that it is given and makes none, so it
# needs no reference counts; without `_nrt=False` each view of a row costs two atomic operations.
SERIAL: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
# What a thread of a parallel kernel does: it may make arrays to work in.
PART: dict[str, Any] = {**SERIAL, "_nrt": True}
