"""Between arrays and registers: blocks of columns, as `Lanes`, and single columns, as numbers.

Both run the same scalar functions, on every device.  Arrays are C-contiguous and indexed flat.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lowprec.formats.words import number_type
from lowprec.scalar.lanes import Lanes, with_dtype

WIDE_BYTES = 16  # the most that one instruction moves for a GPU thread


def address_of(context, builder, array_type, array, index):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _block_type(dtype, width):
    """The type of as many numbers as the constant `width` says, or as a block or number has.

    Or as the class of a NamedTuple says, by its static method `block`.
    """
    number = number_type(dtype)
    if isinstance(width, types.IntegerLiteral):
        return number if width.literal_value == 1 else Lanes(number, width.literal_value)
    if hasattr(width, "instance_class"):
        return Lanes(number, width.instance_class.block())
    if isinstance(width, (Lanes, types.Float)):
        return with_dtype(width, number)
    return None


def _pointer(context, builder, array_type, place, block):
    """Where the block at a `place` (array, index) begins, how it is moved, and its alignment.

    Arrays for a CPU are aligned to their numbers.  A GPU's code is compiled for strict alignment:
    a block there begins at a multiple of WIDE_BYTES, or of its own size if that is smaller, and
    moves as 32-bit words; left to itself, the compiler moves 16-bit numbers four at a time.
    """
    address = address_of(context, builder, array_type, *place)
    moved, align = context.get_value_type(block), number_type(array_type.dtype).bitwidth // 8
    if context.strict_alignment and isinstance(block, Lanes):
        align = min(WIDE_BYTES, align * block.count)
        if block.dtype.bitwidth < 32:
            moved = ir.VectorType(ir.IntType(32), block.count * block.dtype.bitwidth // 32)
    return builder.bitcast(address, moved.as_pointer()), moved, align


@intrinsic
def load(typingctx, array, start, width):
    """The block of `array` from `start` on: of a constant width, or as wide as another block.

    A block of width 1 is a number.
    """
    block = _block_type(array.dtype, width)
    if block is None:
        return None

    def codegen(context, builder, sig, args):
        pointer, _, align = _pointer(context, builder, array, args[:2], block)
        loaded = builder.load(pointer)
        loaded.align = align
        return builder.bitcast(loaded, context.get_value_type(block))

    return block(array, types.int64, width), codegen


@intrinsic
def load_each(typingctx, array, places, start, width):
    """The block of the numbers of `array` whose places `places` has from `start` on (uint32)."""
    block = _block_type(array.dtype, width)
    if not isinstance(block, Lanes):
        return None

    def codegen(context, builder, sig, args):
        numbers, places_of, first, _ = args
        index, number = ir.IntType(64), context.get_value_type(block.dtype)
        found = ir.Constant(context.get_value_type(block), ir.Undefined)
        for lane in range(block.count):
            at = builder.add(first, index(lane))
            place = builder.load(address_of(context, builder, sig.args[1], places_of, at))
            place = builder.zext(place, index)
            address = address_of(context, builder, array, numbers, place)
            loaded = builder.load(builder.bitcast(address, number.as_pointer()))
            loaded.align = block.dtype.bitwidth // 8
            found = builder.insert_element(found, loaded, ir.IntType(32)(lane))
        return found

    return block(array, places, types.int64, width), codegen


@intrinsic
def store(typingctx, block, array, start):
    """Write a block, or a number, to ``array`` from `start` on."""

    def codegen(context, builder, sig, args):
        pointer, moved, align = _pointer(context, builder, array, args[1:], block)
        builder.store(builder.bitcast(args[0], moved), pointer).align = align
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


@intrinsic
def transpose(typingctx, array, start, stride, to, at, to_stride, width):
    """Write the square of `width` blocks of `array`, `stride` apart from `start` on, transposed.

    `to` has them from `at` on, `to_stride` apart.  The constant `width` is a power of 2.
    """
    block = _block_type(array.dtype, width)
    if not isinstance(block, Lanes):
        return None

    def codegen(context, builder, sig, args):
        count, vector = block.count, context.get_value_type(block)

        def pointers(number, first, step):
            for row in range(count):
                place = builder.add(first, builder.mul(step, step.type(row)))
                address = address_of(context, builder, sig.args[number], args[number], place)
                yield builder.bitcast(address, vector.as_pointer())

        align = block.dtype.bitwidth // 8
        rows = [builder.load(pointer, align=align) for pointer in pointers(0, *args[1:3])]
        half, index = count // 2, ir.VectorType(ir.IntType(32), count)
        low = index([number for lane in range(half) for number in (lane, count + lane)])
        high = index([number for lane in range(half, count) for number in (lane, count + lane)])
        for _ in range(count.bit_length() - 1):  # each time, rows that are half of all apart
            rows = [
                builder.shuffle_vector(rows[row], rows[half + row], of_half)
                for row in range(half)
                for of_half in (low, high)
            ]
        for row, pointer in zip(rows, pointers(3, *args[4:6]), strict=True):
            builder.store(row, pointer, align=align)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(array, integer, integer, to, integer, integer, width), codegen
