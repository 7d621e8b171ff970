"""What a storage format is, which ones there are, and which dtypes stand for them.

To add a float format, add it to `FORMATS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike

from lowprec.typing import StorageName


@dataclass(frozen=True)
class Format:
    """A binary floating-point format of at most 16 bits, narrower than float32.

    Parameters
    ----------
    name : str
        The name users give.
    storage : numpy.dtype
        The dtype users see.
    exponent_bits, mantissa_bits : int
        Widths of the fields; the exponent bias is ``2**(exponent_bits - 1) - 1``.
    max_finite : float
        The largest finite value, where larger finite values saturate.
    has_inf : bool
        Whether the top exponent is kept for inf and NaN, as IEEE 754 does.
    """

    name: StorageName
    storage: np.dtype
    exponent_bits: int
    mantissa_bits: int
    max_finite: float
    has_inf: bool = True

    @property
    def word(self) -> np.dtype:
        """The dtype kernels see: records of one unsigned integer that is called like the format.

        Aligned: otherwise a GPU would read each of them byte by byte.
        """
        return np.dtype([(self.name, f"u{self.storage.itemsize}")], align=True)

    @property
    def magnitude_bits(self) -> int:
        """Width of a word without its sign."""
        return self.exponent_bits + self.mantissa_bits

    @property
    def random_bits(self) -> int:
        """Bits of a float32 that a normal number drops: how many random bits one rounding takes."""
        return 23 - self.mantissa_bits

    @property
    def min_normal(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (2 - 2 ** (self.exponent_bits - 1))

    @property
    def bias_bound(self) -> float:
        """The most by which the mean of stochastic rounding misses a finite number in range.

        Half a draw of the smallest subnormal, where a draw is 2**-random_bits of the distance
        between neighbours.  Only subnormal results are off.  Up to this size the result is always
        0.  Nothing, and 0, where float32 has no such number.
        """
        bound = self.min_normal * 2.0**-24
        return bound if np.float32(bound) > 0 else 0.0


FORMATS = (
    Format("float16", np.dtype(np.float16), 5, 10, 65504.0),
    Format("bfloat16", np.dtype(ml_dtypes.bfloat16), 8, 7, 2.0**128 - 2.0**120),
    Format("float8_e4m3fn", np.dtype(ml_dtypes.float8_e4m3fn), 4, 3, 448.0, has_inf=False),
    Format("float8_e5m2", np.dtype(ml_dtypes.float8_e5m2), 5, 2, 57344.0),
    Format("float8_e3m4", np.dtype(ml_dtypes.float8_e3m4), 3, 4, 15.5),
)

_FLOAT32 = np.dtype(np.float32)
_NAMES: dict[StorageName, np.dtype] = {fmt.name: fmt.storage for fmt in FORMATS}
_NAMES["float32"] = _FLOAT32
STORAGES = tuple(_NAMES.values())
_WORDS = {fmt.storage: fmt.word for fmt in FORMATS}


def storage_dtype(dtype: DTypeLike) -> np.dtype:
    """The storage dtype that `dtype` (a name, a NumPy or an ml_dtypes dtype) stands for.

    Raises
    ------
    ValueError
        If it is none of the storage formats.
    """
    supported = "dtype must be one of " + ", ".join(repr(name) for name in _NAMES)
    if isinstance(dtype, str) and dtype in _NAMES:
        return _NAMES[dtype]
    try:
        resolved = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):  # NumPy parses text as a dtype
        raise ValueError(f"{supported}; got {dtype!r}") from None
    if resolved not in STORAGES or dtype is None:
        raise ValueError(f"{supported}; got {dtype!r}")
    return resolved


def storage_name(dtype: DTypeLike) -> StorageName:
    """The name of a storage dtype; ValueError if it is none."""
    storage = storage_dtype(dtype)
    return next(name for name, each in _NAMES.items() if each == storage)


def largest_finite(storage: np.dtype) -> float:
    """The largest finite number of a storage dtype."""
    found = (fmt.max_finite for fmt in FORMATS if fmt.storage == storage)
    return next(found, float(np.finfo(np.float32).max))


def word_dtype(storage: np.dtype) -> np.dtype:
    """The dtype under which kernels see a storage dtype; float32 is its own."""
    return _WORDS.get(storage, storage)
