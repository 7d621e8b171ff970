"""Averages of gradients and of their squares, for the rules that divide one by the other's root."""

from lowprec.scalar.bits import fma
from lowprec.scalar.finite import root, saturate
from lowprec.scalar.internal import internal


@internal(forceinline=True)
def average(rule, gradient, mean, square):
    """The averages of gradients and of their squares, with one more gradient."""
    mean = saturate(fma(rule.mean_rate, gradient - mean, mean))
    # negative squares, which a program may have written, can overflow
    square = saturate(fma(rule.square_rate, fma(gradient, gradient, -square), square))
    return mean, square


@internal(forceinline=True)
def corrected(rule, mean, square):
    """The average gradient and by what it is divided, both without bias."""
    size = root(saturate(square / rule.square_weight)) + rule.eps
    return saturate(mean / rule.mean_weight), size
