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


def _of_rows(width, numbers, lanes):
    """How many rows a block has; None unless all sizes are constants that fit."""
    sizes = width, numbers, lanes
    if not all(isinstance(size, types.IntegerLiteral) for size in sizes):
        return None
    width, numbers, lanes = (size.literal_value for size in sizes)
    return width // lanes if numbers in (1, lanes) and width % lanes == 0 else None


def _pointers_to_rows(context, builder, array, places, kind, number, rows):
    """Where the numbers of each row begin."""
    (array_type, numbers), (places_type, places_of, first) = array, places
    index = ir.IntType(64)
    for row in range(rows):
        at = builder.add(first, index(row))
        place = builder.load(address_of(context, builder, places_type, places_of, at))
        place = builder.mul(builder.zext(place, index), index(number))
        yield builder.bitcast(
            address_of(context, builder, array_type, numbers, place), kind.as_pointer()
        )


@intrinsic
def load_rows(typingctx, array, places, start, numbers, lanes, width):
    """A block of `width` lanes with some rows of `array`, as `places` (uint32) has them from
    `start` on.

    Each row has constantly many `lanes`: its `numbers`, or its only one in all of them.
    """
    rows = _of_rows(width, numbers, lanes)
    if rows is None:
        return None
    block, number = _block_type(array.dtype, width), number_type(array.dtype)

    def codegen(context, builder, sig, args):
        index, size = ir.IntType(32), number.bitwidth // 8
        of_row, count = lanes.literal_value, numbers.literal_value
        kind = context.get_value_type(Lanes(number, count))
        pointers = _pointers_to_rows(
            context, builder, (array, args[0]), (places, *args[1:3]), kind, count, rows
        )
        found = [builder.load(pointer, align=size) for pointer in pointers]
        # neighbours are put together until there is one; a row's only number is spread first
        every = ir.Constant(ir.VectorType(index, of_row), [i % count for i in range(of_row)])
        found = [builder.shuffle_vector(each, each, every) for each in found]
        while len(found) > 1:
            both = 2 * found[0].type.count
            order = ir.Constant(ir.VectorType(index, both), list(range(both)))
            found = [
                builder.shuffle_vector(one, other, order)
                for one, other in zip(found[::2], found[1::2], strict=True)
            ]
        return found[0]

    return block(array, places, types.int64, numbers, lanes, width), codegen


@intrinsic
def load_repeated(typingctx, array, start, times, width):
    """A block of `width` lanes with numbers of `array` from `start` on, each in `times` lanes."""
    block = _block_type(array.dtype, width)
    if not isinstance(block, Lanes) or not isinstance(times, types.IntegerLiteral):
        return None

    def codegen(context, builder, sig, args):
        count = block.count // times.literal_value
        kind = context.get_value_type(Lanes(block.dtype, count)).as_pointer()
        pointer = builder.bitcast(address_of(context, builder, array, *args[:2]), kind)
        found = builder.load(pointer, align=block.dtype.bitwidth // 8)
        order = [lane // times.literal_value for lane in range(block.count)]
        order = ir.Constant(ir.VectorType(ir.IntType(32), block.count), order)
        return builder.shuffle_vector(found, found, order)

    return block(array, types.int64, times, width), codegen


@intrinsic
def store_rows(typingctx, block, array, places, start, lanes):
    """Write the rows of a block, of `lanes` numbers each, to where `load_rows` has them from."""
    rows = _of_rows(types.literal(block.count), lanes, lanes)
    if rows is None:
        return None

    def codegen(context, builder, sig, args):
        count, size = lanes.literal_value, block.dtype.bitwidth // 8
        kind = context.get_value_type(Lanes(block.dtype, count))
        pointers = _pointers_to_rows(
            context, builder, (array, args[1]), (places, *args[2:4]), kind, count, rows
        )
        for row, pointer in enumerate(pointers):
            own = ir.Constant(
                ir.VectorType(ir.IntType(32), count), list(range(row * count, (row + 1) * count))
            )
            builder.store(builder.shuffle_vector(args[0], args[0], own), pointer, align=size)
        return context.get_dummy_value()

    return types.void(block, array, places, types.int64, lanes), codegen


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
