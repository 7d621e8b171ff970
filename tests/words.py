"""Words of arrays, to compare them."""

import numpy as np
import pytest

from lowprec.formats.entries import FORMATS

DTYPES = [fmt.name for fmt in FORMATS]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def bits(array):
    """An array as bytes, so that -0.0 differs from 0.0 and NaN equals itself."""
    return np.ascontiguousarray(array).tobytes()


def floats(count, seed=0):
    """Float32 numbers of all kinds: half of them random bits, half of a moderate size."""
    rng = np.random.default_rng(seed)
    anything = rng.integers(0, 2**32, count, dtype=np.uint32).view(np.float32)
    moderate = (rng.normal(size=count) * 10.0 ** rng.uniform(-9, 5, count)).astype(np.float32)
    return np.where(rng.random(count) < 0.5, anything, moderate)
