"""What dense layers need beside matrix products: bias and ReLU, both ways."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.cache import cached
from lowprec.kernels.cuda.launch import THREAD, NoNumbers, kernel, launch
from lowprec.scalar.updates import is_finite

_BIAS_BLOCK = 256  # rows whose gradients are added up apart, one after the other


class _Bias(NamedTuple):
    y: np.ndarray
    bias: np.ndarray


class _BiasNumbers(NamedTuple):
    floor: np.float32


@cached
@njit(**THREAD)
def _add_bias(thread, threads, arrays, numbers):
    columns = arrays.bias.size
    for place in range(thread, arrays.y.size, threads):
        row = place // columns
        column = place - row * columns
        total = arrays.y[row, column] + arrays.bias[column]
        # written so that a NaN stays one
        arrays.y[row, column] = numbers.floor if total < numbers.floor else total


_run_add_bias = kernel(_add_bias)


def add_bias(y, bias, relu):
    """``y + bias``, or ``max(y + bias, 0)``, in place; y (B, out), bias (out,)."""
    floor = np.float32(0.0 if relu else -np.inf)
    launch(_run_add_bias, y.size, _Bias(y, bias), _BiasNumbers(floor))


class _Backward(NamedTuple):
    dy: np.ndarray
    y: np.ndarray
    sums: np.ndarray


class _BackwardNumbers(NamedTuple):
    relu: np.bool_


@cached
@njit(**THREAD)
def _bias_backward(thread, threads, arrays, numbers):
    dy, y, sums = arrays.dy, arrays.y, arrays.sums
    columns = dy.shape[1]
    for place in range(thread, sums.size, threads):
        block = place // columns
        column = place - block * columns
        total = np.float32(0.0)
        stop = (block + 1) * _BIAS_BLOCK
        if stop > len(dy):
            stop = len(dy)
        for row in range(block * _BIAS_BLOCK, stop):
            gradient = dy[row, column]
            if numbers.relu:
                gradient = gradient if y[row, column] > np.float32(0.0) else np.float32(0.0)
                dy[row, column] = gradient
            total += gradient
        sums[block, column] = total


_run_bias_backward = kernel(_bias_backward)


def bias_backward(dy, y, relu):
    """dy where y > 0, else 0, in place, if `relu`; returns its sum over the rows, (out,)."""
    blocks = -(-len(dy) // _BIAS_BLOCK)
    sums = dy[:blocks].copy()
    arrays = _Backward(dy, y, sums)
    launch(_run_bias_backward, sums.size, arrays, _BackwardNumbers(np.bool_(relu)))
    return sums.sum(axis=0)


class _Note(NamedTuple):
    values: np.ndarray
    halted: np.ndarray


@cached
@njit(**THREAD)
def _note_nonfinite(thread, threads, arrays, numbers):
    for i in range(thread, arrays.values.size, threads):
        if not is_finite(arrays.values[i]):
            arrays.halted[0] = True  # all threads that write here write the same


_run_note_nonfinite = kernel(_note_nonfinite)


def note_nonfinite(values, halted):
    """Set `halted` (1,) if one of 1-D float32 `values` is not finite."""
    launch(_run_note_nonfinite, values.size, _Note(values, halted), NoNumbers())
