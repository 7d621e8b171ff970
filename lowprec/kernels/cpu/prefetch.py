"""Software prefetch: asks for the cache lines of a table row before the loop reaches it."""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from lowprec.kernels.cpu.options import SERIAL

CACHE_LINE_BYTES = 64


@intrinsic
def _prefetch_element(typingctx, array, index):
    """Ask for the cache line of ``array[index]``, a flat index into a contiguous array."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        address = builder.bitcast(builder.gep(data, [args[1]]), cgutils.voidptr_t)
        flag = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [address.type, flag, flag, flag]),
            "llvm.prefetch.p0",
        )
        read, keep_in_all_levels, data_cache = flag(0), flag(3), flag(1)
        builder.call(function, [address, read, keep_in_all_levels, data_cache])
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


@njit(forceinline=True, **SERIAL)
def prefetch_row(matrix, row):
    """Ask for every cache line of ``matrix[row]``; `matrix` is 2-D and C-contiguous."""
    columns = matrix.shape[1]
    first = row * columns
    for column in range(0, columns, CACHE_LINE_BYTES // matrix.itemsize):
        _prefetch_element(matrix, first + column)
    _prefetch_element(matrix, first + columns - 1)  # a row need not begin with a cache line
