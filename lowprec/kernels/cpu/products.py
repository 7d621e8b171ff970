"""Matrix products of float32 or float64, by SciPy's BLAS on one thread.

BLAS is for column-major matrices: to it, a row-major one of NumPy is its own transpose.  So it is
asked for the transpose of what is wanted, with the factors the other way round.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lowprec.kernels.cpu.compiling import parallel, serial
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.options import PART, SERIAL
from lowprec.kernels.cpu.parts import in_parts
from lowprec.scalar.internal import internal

_MOST, _LEAST = 512, 128  # samples of a part: BLAS is slower where it has few
_PARTS = 2  # of a batch that has not so many samples
AS_IT_IS, TRANSPOSED = ord("N"), ord("T")  # how BLAS takes a matrix
_POINTERS = {6, 8, 11}  # the parameters of gemm that are matrices
_FACTORS = {5: 1.0, 10: 0.0}  # those that are numbers: of the product, and of what was there


@intrinsic
def _call_gemm(typingctx, routine, parameters, like):
    """Call what `lowprec.blas.gemm` gave; its parameters are addresses or integers, all int64.

    The matrices have the dtype of `like`.
    """

    def codegen(context, builder, sig, args):
        number = context.get_value_type(like.dtype)
        pointers = []
        for place, value in enumerate(cgutils.unpack_tuple(builder, args[1])):
            if place in _POINTERS:
                pointers.append(builder.inttoptr(value, cgutils.voidptr_t))
                continue
            # the low half comes first, so BLAS may read 32 bits or 64, or one letter
            if place in _FACTORS:
                value = ir.Constant(number, _FACTORS[place])
            kept = cgutils.alloca_once_value(builder, value)
            pointers.append(builder.bitcast(kept, cgutils.voidptr_t))
        function = ir.FunctionType(ir.VoidType(), [pointer.type for pointer in pointers])
        builder.call(builder.inttoptr(args[0], function.as_pointer()), pointers)
        return context.get_dummy_value()

    return types.void(types.int64, types.UniTuple(types.int64, 13), like), codegen


@internal(**SERIAL)
def multiply(routine, left, how_left, right, how_right, inner, out):
    """What column-major matrices multiply to: `out`, whose sums have `inner` terms.

    To BLAS the rows of row-major ones are columns.
    """
    if inner == 0:
        out[:] = 0
        return
    _call_gemm(
        routine,
        (
            how_left, how_right, out.shape[1], out.shape[0], inner, 0,
            np.int64(left.ctypes.data), max(1, left.shape[1]),
            np.int64(right.ctypes.data), max(1, right.shape[1]),
            0, np.int64(out.ctypes.data), max(1, out.shape[1]),
        ),
        out,
    )  # fmt: skip


@internal(**SERIAL)
def multiply_column(x, weight, out):
    """``out = x @ weight``; x (B, in), weight (in,), out (B,)."""
    for row in range(len(x)):
        values, total = x[row], x.dtype.type(0)
        for c in range(weight.size):
            total += values[c] * weight[c]
        out[row] = total


@internal(**SERIAL)
def sum_rows_times(x, factors, sums):
    """``sums = factors @ x``; x (B, in), factors (B,), sums (in,)."""
    sums[:] = 0
    for row in range(len(x)):
        values, factor = x[row], factors[row]
        for c in range(sums.size):
            sums[c] += values[c] * factor


@internal(**SERIAL)
def add_up(products, total, first, last):
    """The sum of rows, one after the other: some numbers of it."""
    total[first:last] = 0
    for part in range(len(products)):
        product = products[part]
        for i in range(first, last):
            total[i] += product[i]


@internal(**PART)
def _sum_parts(x, factors, sums, size, t, threads):
    for part in range(t * len(sums) // threads, (t + 1) * len(sums) // threads):
        first, last = part * size, min((part + 1) * size, len(x))
        sum_rows_times(x[first:last], factors[first:last], sums[part])


@serial
def _weighted_sum(x, factors, sums, total, size, threads):
    in_parts(_sum_parts, x, factors, sums, size, threads)
    add_up(sums, total, 0, total.size)


def weighted_sum(x, factors, out):
    """``factors @ x`` into `out` (in,); x (B, in), factors (B,): the sum over parts, in order."""
    sums = np.empty((-(-len(x) // _MOST), x.shape[1]), x.dtype)
    launch(_weighted_sum, threads_for(x.size), x, factors, sums, out, _MOST)


@parallel
def _add_parts(products, total, t, threads):
    add_up(products, total, t * total.size // threads, (t + 1) * total.size // threads)


def add_parts(parts):
    """The sum of what all parts gave (parts, ...), in their order."""
    if len(parts) == 1:
        return parts[0]
    total = np.empty(parts.shape[1:], parts.dtype)
    flat = parts.reshape(len(parts), total.size)
    launch(_add_parts, threads_for(parts.size), flat, total.reshape(total.size))
    return total


def samples_of_part(samples):
    """How many samples a part of a batch has, whatever the number of threads or processes is."""
    return min(_MOST, max(_LEAST, -(-samples // _PARTS)))
