"""Lanes: many numbers in one vector register, on which the scalar functions work unchanged.

A scalar function that is called with `Lanes` in place of numbers compiles to vector code: the
arithmetic of the library is written once, and CPU kernels run it on blocks of columns while GPU
kernels and tails run it on single numbers.  Numbers among lanes are broadcast.  The compiler
splits lanes into registers of the target's width, so results do not depend on it.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.imputils import lower_cast
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model


class Lanes(types.Type):
    """The Numba type of `count` numbers of a scalar type (`types.boolean` for a mask)."""

    def __init__(self, dtype, count):
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype}, {count})")

    def can_convert_from(self, typingctx, other):
        return Conversion.safe if other == self.dtype else None


def with_dtype(given, dtype):
    """`dtype`, or as many lanes of it as `given` has."""
    return Lanes(dtype, given.count) if isinstance(given, Lanes) else dtype


def dtype_of(given):
    """The type of one number."""
    return given.dtype if isinstance(given, Lanes) else given


def common_type(*given):
    """The lanes among the arguments, or the first argument where all are numbers."""
    return next((each for each in given if isinstance(each, Lanes)), given[0])


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        element = (
            ir.IntType(1)
            if fe_type.dtype == types.boolean
            else dmm.lookup(fe_type.dtype).get_value_type()
        )
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.count))


def splat(builder, number, vector_type):
    """A number in every lane."""
    undefined = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    every_lane = ir.Constant(ir.VectorType(ir.IntType(32), vector_type.count), None)
    return builder.shuffle_vector(first, undefined, every_lane)


@lower_cast(types.Number, Lanes)
def _number_to_lanes(context, builder, fromty, toty, value):
    return splat(builder, value, context.get_value_type(toty))


def _define_operator(function, integer, real=None):
    """Make a Python operator work on lanes; masks result where `integer` compares."""
    compares = function in (operator.lt, operator.eq)

    @infer_global(function)
    class _Operator(AbstractTemplate):
        def generic(self, args, kws):
            lanes = common_type(*args)
            if not isinstance(lanes, Lanes):
                return None
            result = Lanes(types.boolean, lanes.count) if compares else lanes
            return signature(result, *[lanes] * len(args))

    @lower_builtin(function, Lanes, Lanes)
    def _lower(context, builder, sig, args):
        is_real = isinstance(sig.args[0].dtype, types.Float)
        return (real if is_real else integer)(builder, *args)


_define_operator(operator.add, ir.IRBuilder.add, ir.IRBuilder.fadd)
_define_operator(operator.sub, ir.IRBuilder.sub, ir.IRBuilder.fsub)
_define_operator(operator.mul, ir.IRBuilder.mul, ir.IRBuilder.fmul)
_define_operator(operator.truediv, None, ir.IRBuilder.fdiv)
_define_operator(operator.and_, ir.IRBuilder.and_)
_define_operator(operator.or_, ir.IRBuilder.or_)
_define_operator(operator.xor, ir.IRBuilder.xor)
_define_operator(operator.lshift, ir.IRBuilder.shl)
_define_operator(operator.rshift, ir.IRBuilder.lshr)
_define_operator(operator.lt, lambda builder, x, y: builder.icmp_unsigned("<", x, y))
_define_operator(operator.eq, lambda builder, x, y: builder.icmp_unsigned("==", x, y))


@intrinsic
def lane_numbers(typingctx, count):
    """0, 1, ... in the lanes of a uint32; `count` is a constant."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    result = Lanes(types.uint32, count.literal_value)

    def codegen(context, builder, sig, args):
        vector_type = context.get_value_type(sig.return_type)
        return ir.Constant(vector_type, list(range(vector_type.count)))

    return result(count), codegen


@intrinsic
def halves_of_lanes(typingctx, words):
    """Each uint32 lane as two uint16 lanes, the low half first."""
    result = Lanes(types.uint16, 2 * words.count)

    def codegen(context, builder, sig, args):
        # little-endian, as are all CPUs that Numba compiles for in practice
        return builder.bitcast(args[0], context.get_value_type(sig.return_type))

    return result(words), codegen
