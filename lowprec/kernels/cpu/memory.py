"""Between memory and registers: blocks of a row as `Lanes`, and the prefetch of whole rows.

Arrays are C-contiguous and indexed flat.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.lanes import Lanes

CACHE_LINE_BYTES = 64
WIDTH = 16  # columns of a block; the compiler splits it into registers of the target's width


def _address(context, builder, array_type, array, index):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _is_whole(builder, count):
    return builder.icmp_signed("==", count, count.type(WIDTH))


@intrinsic
def load(typingctx, array, start, count):
    """``array[start:start + count]`` as a block: `count` is at most WIDTH, further lanes are 0."""
    lanes = Lanes(array.dtype, WIDTH)

    def codegen(context, builder, sig, args):
        address = _address(context, builder, sig.args[0], args[0], args[1])
        vector_type = context.get_value_type(lanes)
        itemsize = array.dtype.bitwidth // 8
        with builder.if_else(_is_whole(builder, args[2])) as (whole, part):
            with whole:
                all_lanes = builder.load(builder.bitcast(address, vector_type.as_pointer()))
                all_lanes.align = itemsize
                after_whole = builder.basic_block
            with part:
                buffer = cgutils.alloca_once_value(builder, ir.Constant(vector_type, None))
                cgutils.raw_memcpy(builder, buffer, address, args[2], itemsize)
                some_lanes = builder.load(buffer)
                after_part = builder.basic_block
        block = builder.phi(vector_type)
        block.add_incoming(all_lanes, after_whole)
        block.add_incoming(some_lanes, after_part)
        return block

    return lanes(array, types.int64, types.int64), codegen


@intrinsic
def store(typingctx, lanes, array, start, count):
    """Write the first `count` lanes, at most WIDTH, to ``array[start:start + count]``."""

    def codegen(context, builder, sig, args):
        address = _address(context, builder, sig.args[1], args[1], args[2])
        itemsize = array.dtype.bitwidth // 8
        with builder.if_else(_is_whole(builder, args[3])) as (whole, part):
            with whole:
                block_address = builder.bitcast(address, args[0].type.as_pointer())
                builder.store(args[0], block_address).align = itemsize
            with part:
                buffer = cgutils.alloca_once_value(builder, args[0])
                cgutils.raw_memcpy(builder, address, buffer, args[3], itemsize)
        return context.get_dummy_value()

    return types.void(lanes, array, types.int64, types.int64), codegen


@intrinsic
def zeros(typingctx, array):
    """A block of zeros of the dtype of `array`."""
    lanes = Lanes(array.dtype, WIDTH)

    def codegen(context, builder, sig, args):
        return ir.Constant(context.get_value_type(lanes), None)

    return lanes(array), codegen


@intrinsic
def _columns_of_line(typingctx, matrix):
    """How many elements a cache line holds: a constant to the compiler, as `itemsize` is not."""
    count = CACHE_LINE_BYTES * 8 // matrix.dtype.bitwidth

    def codegen(context, builder, sig, args):
        return context.get_constant(types.int64, count)

    return types.int64(matrix), codegen


@intrinsic
def _prefetch_element(typingctx, array, index):
    """Ask for the cache line of ``array[index]``."""

    def codegen(context, builder, sig, args):
        data = _address(context, builder, sig.args[0], *args)
        address = builder.bitcast(data, cgutils.voidptr_t)
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
    """Ask for every cache line of ``matrix[row]``."""
    columns = matrix.shape[1]
    first = row * columns
    line = _columns_of_line(matrix)
    _prefetch_element(matrix, first)
    for column in range(line, columns - 1, line):
        _prefetch_element(matrix, first + column)
    _prefetch_element(matrix, first + columns - 1)  # a row need not begin with a cache line
