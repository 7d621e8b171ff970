"""The outputs of a linear model."""

import numpy as np

from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal


@internal(**SERIAL)
def _linear_outputs_range(x, coef, intercept, sums, scale, out, first, last):
    for row in range(first, last):
        values, total = x[row], np.float32(0.0)
        for c in range(coef.size):
            total += values[c] * coef[c]
        out[row] = (total + sums[row, 0] * scale) + intercept[0]


@parallel
def _linear_outputs(x, coef, intercept, sums, scale, out, t, threads):
    first, last = t * len(x) // threads, (t + 1) * len(x) // threads
    _linear_outputs_range(x, coef, intercept, sums, scale, out, first, last)


def linear_outputs(x, coef, intercept, sums, scale):
    """``x @ coef + scale * sums + intercept`` (B,).

    x (B, columns) and coef (columns,) are of the dense features, sums (B, 1) of the ids.
    """
    out = np.empty(len(x), np.float32)
    launch(_linear_outputs, threads_for(x.size), x, coef, intercept, sums, np.float32(scale), out)
    return out
