"""Matrix products of dense layers: those of the array library."""

from lowprec.cuda import array_module


def matmul(x, weight, out):
    """``out = x @ weight``; x (B, in), weight (in, out), out (B, out)."""
    array_module().matmul(x, weight, out=out)


def matmul_transposed(dy, weight, out):
    """``out = dy @ weight.T``; dy (B, out), weight (in, out), out (B, in)."""
    array_module().matmul(dy, weight.T, out=out)


def weight_gradient(x, dy):
    """``x.T @ dy`` (in, out); x (B, in), dy (B, out)."""
    return x.T @ dy
