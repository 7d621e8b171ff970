"""What the CPU does with memory beyond loads and stores: prefetch, and write past the caches.

A row is handled in blocks of WIDTH columns, and the columns that are left one by one.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lowprec.formats.words import number_type
from lowprec.kernels.blocks import address_of
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal, overloaded

CACHE_LINE_BYTES = 64
STREAM_BYTES = 16
WIDTH = 16  # columns of a block; the compiler splits it into registers of the target's width


@intrinsic
def stream(typingctx, block, array, start):
    """`store` past the caches, for what is too large for them: no line is read to be overwritten.

    The address is a multiple of STREAM_BYTES.  Call `end_of_stream` before others read it.
    """

    def codegen(context, builder, sig, args):
        address = address_of(context, builder, sig.args[1], *args[1:])
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


@internal(forceinline=True, **SERIAL)
def in_blocks(columns):
    """How many of the columns are handled in blocks."""
    return columns - columns % WIDTH


@intrinsic
def _columns_of_line(typingctx, matrix):
    """How many elements a cache line holds: a constant to the compiler, as `itemsize` is not."""
    count = CACHE_LINE_BYTES * 8 // number_type(matrix.dtype).bitwidth

    def codegen(context, builder, sig, args):
        return context.get_constant(types.int64, count)

    return types.int64(matrix), codegen


def _prefetch(context, builder, sig, args, locality):
    data = address_of(context, builder, sig.args[0], *args)
    address = builder.bitcast(data, cgutils.voidptr_t)
    flag = ir.IntType(32)
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ir.VoidType(), [address.type, flag, flag, flag]),
        "llvm.prefetch.p0",
    )
    read, data_cache = flag(0), flag(1)
    builder.call(function, [address, read, flag(locality), data_cache])
    return context.get_dummy_value()


# A line that is asked for into the first level holds one of its few miss buffers until memory has
# answered.  So what comes from memory is asked for into the second level, which has more of them,
# and what is soon needed from there into the first.
@intrinsic
def prefetch_number(typingctx, array, index):
    """Ask for the cache line of one number of `array`, into the second level."""

    def codegen(context, builder, sig, args):
        return _prefetch(context, builder, sig, args, locality=2)

    return types.void(array, types.int64), codegen


@intrinsic
def _prefetch_number_near(typingctx, array, index):
    def codegen(context, builder, sig, args):
        return _prefetch(context, builder, sig, args, locality=3)

    return types.void(array, types.int64), codegen


@internal(forceinline=True, **SERIAL)
def prefetch_row(matrix, row):
    """Ask for every cache line of ``matrix[row]``, into the second level."""
    columns = matrix.shape[1]
    first = row * columns
    line = _columns_of_line(matrix)
    prefetch_number(matrix, first)
    for column in range(line, columns - 1, line):
        prefetch_number(matrix, first + column)
    prefetch_number(matrix, first + columns - 1)  # a row need not begin with a cache line


@internal(forceinline=True, **SERIAL)
def prefetch_row_near(matrix, row):
    """Ask for every cache line of ``matrix[row]``, into the first level."""
    columns = matrix.shape[1]
    first = row * columns
    line = _columns_of_line(matrix)
    _prefetch_number_near(matrix, first)
    for column in range(line, columns - 1, line):
        _prefetch_number_near(matrix, first + column)
    _prefetch_number_near(matrix, first + columns - 1)


def prefetch_rows(matrices, row):
    """Ask for every cache line of a row of each of a tuple of matrices."""


@overloaded(prefetch_rows, forceinline=True, **SERIAL)
def _overload_prefetch_rows(matrices, row):
    if len(matrices) == 0:
        return lambda matrices, row: None

    def prefetch(matrices, row):
        prefetch_row(matrices[0], row)
        prefetch_rows(matrices[1:], row)

    return prefetch


def prefetch_numbers(arrays, index):
    """Ask for the cache line of one number of each of a tuple of arrays."""


@overloaded(prefetch_numbers, forceinline=True, **SERIAL)
def _overload_prefetch_numbers(arrays, index):
    if len(arrays) == 0:
        return lambda arrays, index: None

    def prefetch(arrays, index):
        prefetch_number(arrays[0], index)
        prefetch_numbers(arrays[1:], index)

    return prefetch
