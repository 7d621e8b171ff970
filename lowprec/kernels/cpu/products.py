"""Matrix products of dense layers, in parts of equally many samples whatever the threads are.

The parts are those of the whole batch, of which a process may have some: a part's products and sums
are the same in any of them.

BLAS is for column-major matrices: to it, a row-major one of NumPy is its own transpose.  So it is
asked for the transpose of what is wanted, with the factors the other way round.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lowprec.kernels.cpu.blas import gemm, one_thread
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal

_MOST, _LEAST = 512, 128  # samples of a part: BLAS is slower where it has few
_PARTS = 2  # of a batch that has not so many samples
_PRODUCTS_PER_NUMBER = 32  # multiplications that take as long as reading a number
_OF_PART = -1  # where a size is how many samples a part has
_AS_IT_IS, _TRANSPOSED = ord("N"), ord("T")
_POINTERS = {5, 6, 8, 10, 11}  # the parameters of gemm that are numbers of the matrices' dtype
_CONSTANTS = {dtype: np.array([0, 1], dtype) for dtype in "fd"}


class _Matrix(NamedTuple):
    """A column-major matrix of which each part has a piece: integers."""

    letter: int  # how it is taken
    address: int
    step: int  # bytes from the piece of one part to that of the next
    leading: int  # numbers from one column to the next


class _Parts(NamedTuple):
    """The sizes of each part's product, (rows, inner) times (inner, columns): integers."""

    samples: int
    size: int  # samples of a part
    rows: int
    columns: int  # _OF_PART if these are a part's samples
    inner: int  # likewise


@intrinsic
def _call_gemm(typingctx, routine, parameters):
    """Call what `lowprec.blas.gemm` gave; its parameters are addresses or integers, all int64."""

    def codegen(context, builder, sig, args):
        integers = cgutils.unpack_tuple(builder, args[1])
        pointers = [
            builder.inttoptr(value, cgutils.voidptr_t)
            if place in _POINTERS
            # the low half comes first, so BLAS may read 32 bits or 64, or one letter
            else builder.bitcast(cgutils.alloca_once_value(builder, value), cgutils.voidptr_t)
            for place, value in enumerate(integers)
        ]
        function = ir.FunctionType(ir.VoidType(), [pointer.type for pointer in pointers])
        builder.call(builder.inttoptr(args[0], function.as_pointer()), pointers)
        return context.get_dummy_value()

    return types.void(types.int64, types.UniTuple(types.int64, 13)), codegen


@internal(**SERIAL)
def _multiply_part(routine, zero, one, left, right, out, parts, part):
    samples = min(parts.size, parts.samples - part * parts.size)
    _call_gemm(
        routine,
        (
            left.letter, right.letter,
            parts.rows,
            samples if parts.columns == _OF_PART else parts.columns,
            samples if parts.inner == _OF_PART else parts.inner,
            one, left.address + part * left.step, left.leading,
            right.address + part * right.step, right.leading,
            zero, out.address + part * out.step, out.leading,
        ),
    )  # fmt: skip


@parallel
def _multiply(routine, zero, one, left, right, out, parts, count, t, threads):
    for part in range(t * count // threads, (t + 1) * count // threads):
        _multiply_part(routine, zero, one, left, right, out, parts, part)


@internal(**SERIAL)
def _multiply_column_range(x, weight, out, first, last):
    for row in range(first, last):
        values, total = x[row], x.dtype.type(0)
        for c in range(weight.size):
            total += values[c] * weight[c]
        out[row] = total


@parallel
def _multiply_column(x, weight, out, t, threads):
    _multiply_column_range(x, weight, out, t * len(x) // threads, (t + 1) * len(x) // threads)


@internal(**SERIAL)
def _sum_rows_times_range(x, factors, sums, first, last):
    sums[:] = 0
    for row in range(first, last):
        values, factor = x[row], factors[row]
        for c in range(sums.size):
            sums[c] += values[c] * factor


@parallel
def _sum_rows_times(x, factors, sums, size, t, threads):
    for part in range(t * len(sums) // threads, (t + 1) * len(sums) // threads):
        first, last = part * size, min((part + 1) * size, len(x))
        _sum_rows_times_range(x, factors, sums[part], first, last)


@internal(**SERIAL)
def _add_up_range(products, total, first, last):
    total[first:last] = 0
    for part in range(len(products)):
        product = products[part]
        for i in range(first, last):
            total[i] += product[i]


@parallel
def _add_up(products, total, t, threads):
    """The sum of rows, one after the other."""
    _add_up_range(products, total, t * total.size // threads, (t + 1) * total.size // threads)


def _run(dtype, left, right, out, parts):
    count = -(-parts.samples // parts.size)
    zero = _CONSTANTS[dtype.char].__array_interface__["data"][0]
    products = parts.samples * parts.rows * max(parts.columns, parts.inner)
    threads = threads_for(products // _PRODUCTS_PER_NUMBER)
    routine = gemm(dtype.char)
    with one_thread:
        launch(
            _multiply, threads, routine, zero, zero + dtype.itemsize,
            left, right, out, parts, count,
        )  # fmt: skip


def _matrix(array, letter=_AS_IT_IS, samples=0):
    """A matrix whose rows are samples: so many of them are a part's piece, or all are."""
    columns = array.shape[-1]
    address = array.__array_interface__["data"][0]
    return _Matrix(letter, address, samples * columns * array.itemsize, max(columns, 1))


def matmul(x, weight, out, size=None):
    """``out = x @ weight``; x (B, in), weight (in, out), out (B, out), float32 or float64.

    In parts of `size` samples; by default those of a batch of B.
    """
    if out.shape[1] == 1:
        x, weight = np.ascontiguousarray(x), np.ascontiguousarray(weight[:, 0])
        launch(_multiply_column, threads_for(x.size), x, weight, out[:, 0])
    else:
        _multiply_rows(x, weight, _AS_IT_IS, out, size)


def matmul_transposed(dy, weight, out, size=None):
    """``out = dy @ weight.T``; dy (B, out), weight (in, out), out (B, in); in parts of `size`."""
    _multiply_rows(dy, weight, _TRANSPOSED, out, size)


def weight_gradient(x, dy):
    """``x.T @ dy`` (in, out); x (B, in), dy (B, out).

    It is the sum of the parts' products, in their order.
    """
    size = _MOST if dy.shape[1] == 1 else samples_of_part(len(x))
    return add_parts(weight_gradients(x, dy, size))


def weight_gradients(x, dy, size):
    """The product ``x.T @ dy`` of each part of `size` samples: (parts, in, out)."""
    x, dy = np.ascontiguousarray(x), np.ascontiguousarray(dy)
    (samples, rows), columns = x.shape, dy.shape[1]
    products = np.empty((-(-samples // size), rows, columns), x.dtype)
    if columns == 1:
        launch(_sum_rows_times, threads_for(x.size), x, dy[:, 0], products[:, :, 0], size)
    else:
        _run(
            x.dtype, _matrix(dy, samples=size), _matrix(x, _TRANSPOSED, size),
            _matrix(products)._replace(step=rows * columns * x.itemsize),
            _Parts(samples, size, columns, rows, _OF_PART),
        )  # fmt: skip
    return products


def add_parts(parts):
    """The sum of what all parts gave (parts, ...), in their order."""
    if len(parts) == 1:
        return parts[0]
    total = np.empty(parts.shape[1:], parts.dtype)
    flat = parts.reshape(len(parts), total.size)
    launch(_add_up, threads_for(parts.size), flat, total.reshape(total.size))
    return total


def samples_of_part(samples):
    """How many samples a part of a batch has, whatever the number of threads or processes is."""
    return min(_MOST, max(_LEAST, -(-samples // _PARTS)))


def _multiply_rows(x, weight, letter, out, size):
    x, weight = np.ascontiguousarray(x), np.ascontiguousarray(weight)
    (samples, inner), columns = x.shape, out.shape[1]
    if inner == 0:
        out[...] = 0
        return
    size = size or samples_of_part(samples)
    _run(
        x.dtype, _matrix(weight, letter), _matrix(x, samples=size), _matrix(out, samples=size),
        _Parts(samples, size, columns, _OF_PART, inner),
    )  # fmt: skip
