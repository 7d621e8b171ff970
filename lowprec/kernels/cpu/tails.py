"""The last columns of a row, which are fewer than a block: moved to and from lanes at once.

Only AVX-512 has instructions for it that move numbers of 8 and 16 bits.
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

    def codegen(context, builder, sig, args):
        for pointer, held, mask, align in _pairs(
            context, builder, arrays, args[:2], lanes, args[2:]
        ):
            block = held.type.pointee
            kinds = [pointer.type, align.type, mask.type, block]
            load = _masked(builder, "load", block, ir.FunctionType(block, kinds))
            nothing = ir.Constant(block, None)
            builder.store(builder.call(load, [pointer, align, mask, nothing]), held)
        return context.get_dummy_value()

    return types.void(arrays, types.int64, lanes, types.int64), codegen


@intrinsic
def give(typingctx, arrays, place, lanes, count):
    """Copy the first `count` numbers of the lanes of each array to a place of it."""

    def codegen(context, builder, sig, args):
        for pointer, held, mask, align in _pairs(
            context, builder, arrays, args[:2], lanes, args[2:]
        ):
            block = held.type.pointee
            kinds = [block, pointer.type, align.type, mask.type]
            store = _masked(builder, "store", block, ir.FunctionType(ir.VoidType(), kinds))
            builder.call(store, [builder.load(held), pointer, align, mask])
        return context.get_dummy_value()

    return types.void(arrays, types.int64, lanes, types.int64), codegen


def _pairs(context, builder, arrays, place, lanes, count):
    """For each array: pointers to its numbers and its lanes, the mask, and the alignment."""
    values, index = place
    held, (number,) = count[0], count[1:]
    zero = context.get_constant(types.int64, 0)
    for position, (array, lane) in enumerate(zip(arrays, lanes, strict=True)):
        block = context.get_value_type(Lanes(number_type(array.dtype), WIDTH))
        ours = builder.extract_value(values, position)
        theirs = builder.extract_value(held, position)
        pointers = [
            builder.bitcast(address_of(context, builder, *each), block.as_pointer())
            for each in ((array, ours, index), (lane, theirs, zero))
        ]
        align = ir.IntType(32)(number_type(array.dtype).bitwidth // 8)
        yield *pointers, _first(builder, number), align


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
