"""The outputs of a linear model, by the array library."""

import numpy as np


def linear_outputs(x, coef, intercept, sums, scale):
    """``x @ coef + scale * sums + intercept`` (B,).

    x (B, columns) and coef (columns,) are of the dense features, sums (B, 1) of the ids.
    """
    return x @ coef + sums[:, 0] * np.float32(scale) + intercept
