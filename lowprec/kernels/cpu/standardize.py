"""Dense features, centred and scaled."""

import numpy as np

from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.finite import is_finite
from lowprec.scalar.internal import internal


@internal(**SERIAL)
def _standardize_range(x, mean, scale, out, first, last):
    for row in range(first, last):
        values, found = x[row], out[row]
        for c in range(mean.size):
            found[c] = (values[c] - mean[c]) * scale[c]


@parallel
def _standardize(x, mean, scale, out, t, threads):
    _standardize_range(x, mean, scale, out, t * len(x) // threads, (t + 1) * len(x) // threads)


def standardize(x, mean, scale):
    """``(x - mean) * scale``; x (B, columns), mean and scale (columns,), float32."""
    out = np.empty_like(x)
    launch(_standardize, threads_for(x.size), x, mean, scale, out)
    return out


@internal(**SERIAL)
def _are_finite(x, mean, scale, first, last):
    finite = True
    for row in range(first, last):
        values = x[row]
        for c in range(mean.size):
            finite &= is_finite((values[c] - mean[c]) * scale[c])
    return finite


@parallel
def _note_finite(x, mean, scale, finite, t, threads):
    finite[t] = _are_finite(x, mean, scale, t * len(x) // threads, (t + 1) * len(x) // threads)


def standardized_is_finite(x, mean, scale):
    """Whether all of ``standardize(x, mean, scale)`` is finite."""
    threads = threads_for(x.size)
    finite = np.empty(threads, np.bool_)
    launch(_note_finite, threads, x, mean, scale, finite)
    return bool(finite.all())
