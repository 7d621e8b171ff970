"""Between arrays and registers: blocks of columns, as `Lanes`, and single columns, as numbers.

Both run the same scalar functions, on every device.  Arrays are C-contiguous and indexed flat.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lowprec.scalar.lanes import Lanes, with_dtype

WIDE_BYTES = 16  # the most that one instruction moves for a GPU thread


def address_of(context, builder, array_type, array, index):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _block_type(dtype, like):
    """The type of as many numbers as the constant `like` says, or as a block or number has."""
    if isinstance(like, types.IntegerLiteral):
        return dtype if like.literal_value == 1 else Lanes(dtype, like.literal_value)
    if isinstance(like, (Lanes, types.Float)):
        return with_dtype(like, dtype)
    return None


def _load(context, builder, sig, args, block, align):
    address = address_of(context, builder, sig.args[0], *args[:2])
    block_pointer = context.get_value_type(block).as_pointer()
    loaded = builder.load(builder.bitcast(address, block_pointer))
    loaded.align = align
    return loaded


def _store(context, builder, sig, args, align):
    address = address_of(context, builder, sig.args[1], *args[1:])
    pointer = builder.bitcast(address, args[0].type.as_pointer())
    builder.store(args[0], pointer).align = align
    return context.get_dummy_value()


@intrinsic
def load(typingctx, array, start, like):
    """The block of `array` from `start` on: of a constant width, or as wide as another block.

    A block of width 1 is a number.
    """
    block = _block_type(array.dtype, like)
    if block is None:
        return None

    def codegen(context, builder, sig, args):
        return _load(context, builder, sig, args, block, array.dtype.bitwidth // 8)

    return block(array, types.int64, like), codegen


@intrinsic
def store(typingctx, block, array, start):
    """Write a block, or a number, to ``array`` from `start` on."""

    def codegen(context, builder, sig, args):
        return _store(context, builder, sig, args, array.dtype.bitwidth // 8)

    return types.void(block, array, types.int64), codegen


def _in_wide_words(block):
    """The vector of 32-bit words that a block of small numbers is moved as, or None.

    Left to itself, the compiler moves 16-bit numbers four at a time on most GPUs.
    """
    if not isinstance(block, Lanes) or block.dtype.bitwidth >= 32:
        return None
    return ir.VectorType(ir.IntType(32), block.count * block.dtype.bitwidth // 32)


def _alignment(block):
    """Bytes that the address of a wide block is a multiple of."""
    if not isinstance(block, Lanes):
        return block.bitwidth // 8
    return min(WIDE_BYTES, block.count * block.dtype.bitwidth // 8)


@intrinsic
def load_wide(typingctx, array, start, like):
    """`load` from a multiple of WIDE_BYTES, or of the size of a block that is smaller."""
    block = _block_type(array.dtype, like)
    if block is None:
        return None

    def codegen(context, builder, sig, args):
        words = _in_wide_words(block)
        if words is None:
            return _load(context, builder, sig, args, block, _alignment(block))
        address = address_of(context, builder, sig.args[0], *args[:2])
        loaded = builder.load(builder.bitcast(address, words.as_pointer()))
        loaded.align = _alignment(block)
        return builder.bitcast(loaded, context.get_value_type(block))

    return block(array, types.int64, like), codegen


@intrinsic
def store_wide(typingctx, block, array, start):
    """`store` to a multiple of WIDE_BYTES, or of the size of a block that is smaller."""

    def codegen(context, builder, sig, args):
        words = _in_wide_words(block)
        if words is None:
            return _store(context, builder, sig, args, _alignment(block))
        address = address_of(context, builder, sig.args[1], *args[1:])
        pointer = builder.bitcast(address, words.as_pointer())
        builder.store(builder.bitcast(args[0], words), pointer).align = _alignment(block)
        return context.get_dummy_value()

    return types.void(block, array, types.int64), codegen


@intrinsic
def zeros(typingctx, array, width):
    """A block of zeros of the dtype of `array`, where `width` is a constant."""
    block = _block_type(array.dtype, width)
    if block is None:
        return None

    def codegen(context, builder, sig, args):
        return ir.Constant(context.get_value_type(block), None)

    return block(array, width), codegen
