"""Between memory and registers: columns of a row, and the prefetch of whole rows.

A row is handled in blocks of WIDTH columns, as `Lanes`, and the columns that are left one by one,
as numbers: both run the same scalar functions.  Arrays are C-contiguous and indexed flat.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.lanes import Lanes, with_dtype

CACHE_LINE_BYTES = 64
STREAM_BYTES = 16
WIDTH = 16  # columns of a block; the compiler splits it into registers of the target's width


def _address(context, builder, array_type, array, index):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _block_type(dtype, like):
    """The type of as many numbers as the constant `like` says, or as a block or number has."""
    if isinstance(like, types.IntegerLiteral):
        return dtype if like.literal_value == 1 else Lanes(dtype, like.literal_value)
    if isinstance(like, (Lanes, types.Float)):
        return with_dtype(like, dtype)
    return None


@intrinsic
def load(typingctx, array, start, like):
    """The block of `array` from `start` on: of a constant width, or as wide as another block.

    A block of width 1 is a number.
    """
    block = _block_type(array.dtype, like)
    if block is None:
        return None

    def codegen(context, builder, sig, args):
        address = _address(context, builder, sig.args[0], *args[:2])
        block_pointer = context.get_value_type(block).as_pointer()
        loaded = builder.load(builder.bitcast(address, block_pointer))
        loaded.align = array.dtype.bitwidth // 8
        return loaded

    return block(array, types.int64, like), codegen


@intrinsic
def store(typingctx, block, array, start):
    """Write a block, or a number, to ``array`` from `start` on."""

    def codegen(context, builder, sig, args):
        address = _address(context, builder, sig.args[1], *args[1:])
        pointer = builder.bitcast(address, args[0].type.as_pointer())
        builder.store(args[0], pointer).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(block, array, types.int64), codegen


@intrinsic
def stream(typingctx, block, array, start):
    """`store` past the caches, for what is too large for them: no line is read to be overwritten.

    The address is a multiple of STREAM_BYTES.  Call `end_of_stream` before others read it.
    """

    def codegen(context, builder, sig, args):
        address = _address(context, builder, sig.args[1], *args[1:])
        pointer = builder.bitcast(address, args[0].type.as_pointer())
        stored = builder.store(args[0], pointer)
        stored.align = STREAM_BYTES
        stored.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        return context.get_dummy_value()

    return types.void(block, array, types.int64), codegen


@intrinsic
def end_of_stream(typingctx):
    """Wait until what was streamed can be read."""

    def codegen(context, builder, sig, args):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def zeros(typingctx, array, width):
    """A block of zeros of the dtype of `array`, where `width` is a constant."""
    block = _block_type(array.dtype, width)
    if block is None:
        return None

    def codegen(context, builder, sig, args):
        return ir.Constant(context.get_value_type(block), None)

    return block(array, width), codegen


@njit(forceinline=True, **SERIAL)
def in_blocks(columns):
    """How many of so many columns are handled in blocks."""
    return columns - columns % WIDTH


@intrinsic
def _columns_of_line(typingctx, matrix):
    """How many elements a cache line holds: a constant to the compiler, as `itemsize` is not."""
    count = CACHE_LINE_BYTES * 8 // matrix.dtype.bitwidth

    def codegen(context, builder, sig, args):
        return context.get_constant(types.int64, count)

    return types.int64(matrix), codegen


@intrinsic
def prefetch_number(typingctx, array, index):
    """Ask for the cache line of one number of `array`."""

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
    prefetch_number(matrix, first)
    for column in range(line, columns - 1, line):
        prefetch_number(matrix, first + column)
    prefetch_number(matrix, first + columns - 1)  # a row need not begin with a cache line
