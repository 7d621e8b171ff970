"""Dense features, centred and scaled: by the array library."""

from lowprec.cuda import array_module


def standardize(x, mean, scale):
    """``(x - mean) * scale``; x (B, columns), mean and scale (columns,), float32."""
    out = x - mean
    out *= scale
    return out


def standardized_is_finite(x, mean, scale):
    """Whether all of ``standardize(x, mean, scale)`` is finite."""
    return bool(array_module().isfinite(standardize(x, mean, scale)).all())
