"""The limits of each storage format, as the survey of steps takes them."""

from __future__ import annotations

import numpy as np

from lowprec.formats.entries import FORMATS, storage_dtype
from lowprec.scalar.precision import Limits
from lowprec.typing import StorageName

_FLOAT32 = np.finfo(np.float32)
# from the smallest to the largest, the more exact first among equals
LIMITS: dict[StorageName, Limits] = {
    fmt.name: Limits(
        np.float64(2.0**-fmt.mantissa_bits), np.float32(fmt.min_normal), np.float32(fmt.max_finite)
    )
    for fmt in sorted(FORMATS, key=lambda fmt: (fmt.storage.itemsize, -fmt.mantissa_bits))
} | {"float32": Limits(np.float64(_FLOAT32.eps), _FLOAT32.smallest_normal, _FLOAT32.max)}


def itemsize(dtype: str) -> int:
    """Bytes of a number of a format."""
    return storage_dtype(dtype).itemsize
