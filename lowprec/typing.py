"""Types of arguments, by which type checkers find ``"fp16"`` and ``"stochastik"``.

For annotations of your own: a plain ``str`` may be anything, and is none of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

Rounding: TypeAlias = Literal["stochastic", "nearest"]
Pooling: TypeAlias = Literal["sum", "mean"]
Interaction: TypeAlias = Literal["dot", "cat"]
OnNonfinite: TypeAlias = Literal["raise", "skip"]
Decay: TypeAlias = Literal["seen", "catch_up"]
VocabularyName: TypeAlias = Literal["learn", "hash", "grow"]
DeviceName: TypeAlias = Literal["cpu", "cuda"]
StorageName: TypeAlias = Literal[
    "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e3m4"
]
# of NumPy and ml_dtypes, too
Storage: TypeAlias = StorageName | np.dtype[Any] | type[np.generic]
StateStorage: TypeAlias = Storage | Mapping[str, Storage]
