"""Matrix products of dense layers: those of the array library, of one part whatever its `size`."""

from lowprec.cuda import array_module


def matmul(x, weight, out, size=None):
    """``out = x @ weight``; x (B, in), weight (in, out), out (B, out)."""
    array_module().matmul(x, weight, out=out)


def matmul_transposed(dy, weight, out, size=None):
    """``out = dy @ weight.T``; dy (B, out), weight (in, out), out (B, in)."""
    array_module().matmul(dy, weight.T, out=out)


def weight_gradient(x, dy):
    """``x.T @ dy`` (in, out); x (B, in), dy (B, out)."""
    return x.T @ dy


def weight_gradients(x, dy, size):
    """The product ``x.T @ dy`` of the one part: (1, in, out)."""
    return weight_gradient(x, dy)[None]


def add_parts(parts):
    """The sum of what all parts gave (parts, ...), of which there is one."""
    assert len(parts) == 1
    return parts[0]


def samples_of_part(samples):
    """How many samples a part of so many has: all."""
    return samples
