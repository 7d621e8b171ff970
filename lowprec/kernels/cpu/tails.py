"""A block of numbers beside the table, and moving the last columns of a row to and from it at once.

They are fewer than a block.  Only AVX-512 has instructions that move some numbers of 8 and 16 bits.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from lowprec.formats.words import number_type
from lowprec.kernels.blocks import address_of
from lowprec.kernels.cpu.memory import WIDTH
from lowprec.scalar.bits import compiled_for
from lowprec.scalar.lanes import Lanes

MOVES_SOME = compiled_for("avx512bw") and compiled_for("avx512vl")
LEAST = 4  # columns: fewer are stepped one by one in less time


@intrinsic
def new_lanes(typingctx, arrays):
    """For each of a tuple of arrays, WIDTH zeros of its dtype, for as long as the caller runs."""
    kinds = [types.Array(array.dtype, 1, "C") for array in arrays]
    found = types.BaseTuple.from_types(kinds)

    def codegen(context, builder, sig, args):
        made = []
        for kind in kinds:
            size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
            memory = cgutils.alloca_once(builder, ir.ArrayType(ir.IntType(8), WIDTH * size))
            memory.align = 64
            builder.store(ir.Constant(memory.type.pointee, None), memory)
            array = make_array(kind)(context, builder)
            data = builder.bitcast(memory, array.data.type)
            width, step = (context.get_constant(types.intp, n) for n in (WIDTH, size))
            populate_array(array, data, [width], [step], step, None)
            made.append(array._getvalue())
        return context.make_tuple(builder, found, made)

    return found(arrays), codegen


@intrinsic
def take(typingctx, arrays, place, lanes, count):
    """Copy the first `count` numbers of each array from a place on into its lanes."""

    def move(builder, pointer, held, mask, align):
        block = held.type.pointee
        kinds = [pointer.type, align.type, mask.type, block]
        load = _masked(builder, "load", block, ir.FunctionType(block, kinds))
        nothing = ir.Constant(block, None)
        builder.store(builder.call(load, [pointer, align, mask, nothing]), held)

    return _for_each(move, arrays, lanes)


@intrinsic
def give(typingctx, arrays, place, lanes, count):
    """Copy the first `count` numbers of the lanes of each array to a place of it."""

    def move(builder, pointer, held, mask, align):
        block = held.type.pointee
        kinds = [block, pointer.type, align.type, mask.type]
        store = _masked(builder, "store", block, ir.FunctionType(ir.VoidType(), kinds))
        builder.call(store, [builder.load(held), pointer, align, mask])

    return _for_each(move, arrays, lanes)


def _for_each(move, arrays, lanes):
    """An intrinsic of `take`'s parameters that has `move` written for each array.

    It is given pointers to the array's numbers and to its lanes, the mask, and the alignment.
    """

    def codegen(context, builder, sig, args):
        values, place, held, count = args
        zero, mask = context.get_constant(types.int64, 0), _first(builder, count)
        for position, (array, lane) in enumerate(zip(arrays, lanes, strict=True)):
            number = number_type(array.dtype)
            block = context.get_value_type(Lanes(number, WIDTH)).as_pointer()
            pointers = [
                builder.bitcast(address_of(context, builder, *each), block)
                for each in (
                    (array, builder.extract_value(values, position), place),
                    (lane, builder.extract_value(held, position), zero),
                )
            ]
            move(builder, *pointers, mask, ir.IntType(32)(number.bitwidth // 8))
        return context.get_dummy_value()

    return types.void(arrays, types.int64, lanes, types.int64), codegen


def _masked(builder, name, block, kind):
    """LLVM's masked load or store of a block."""
    number = {"float": "f32"}.get(str(block.element), str(block.element))
    name = f"llvm.masked.{name}.v{WIDTH}{number}.p0"
    return cgutils.get_or_insert_function(builder.module, kind, name)


def _first(builder, count):
    """The mask of the first lanes."""
    lanes = ir.VectorType(ir.IntType(32), WIDTH)
    nothing, every = ir.Constant(lanes, ir.Undefined), ir.Constant(lanes, [0] * WIDTH)
    single = builder.insert_element(nothing, builder.trunc(count, lanes.element), ir.IntType(32)(0))
    numbers = ir.Constant(lanes, list(range(WIDTH)))
    return builder.icmp_unsigned("<", numbers, builder.shuffle_vector(single, nothing, every))
