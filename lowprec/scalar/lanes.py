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
from numba.core.errors import TypingError
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


# --- operators ---

_COMPARES = {
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
}


def _kind(dtype):
    """Which arithmetic a type of numbers has; None for words of formats."""
    if isinstance(dtype, types.Float):
        return "float"
    if isinstance(dtype, types.Boolean):
        return "mask"
    return "integer" if isinstance(dtype, types.Integer) else None


def _lanes_among(name, args, kinds):
    """The lanes that an operator works on, None without; TypingError says why it cannot."""
    lanes = common_type(*args)
    if not isinstance(lanes, Lanes):
        return None
    for other in args:
        if other not in (lanes, lanes.dtype):
            raise TypingError(
                f"{name} of {lanes} and {other}: numbers among lanes must have their dtype, "
                f"{lanes.dtype}, as np.{lanes.dtype}(x) has"
            )
    if _kind(lanes.dtype) not in kinds:
        raise TypingError(f"lanes of {lanes.dtype} have no {name}; lanes of {kinds} have")
    return lanes


def _define_operator(function, operands=2, **emitters):
    """Make a Python operator work on lanes; `emitters` are by the kind of numbers."""

    @infer_global(function)
    class _Operator(AbstractTemplate):
        def generic(self, args, kws):
            if len(args) != operands:
                return None
            lanes = _lanes_among(function.__name__, args, tuple(emitters))
            if lanes is None:
                return None
            result = Lanes(types.boolean, lanes.count) if function in _COMPARES else lanes
            return signature(result, *[lanes] * operands)

    @lower_builtin(function, *[Lanes] * operands)
    def _lower(context, builder, sig, args):
        return emitters[_kind(sig.args[0].dtype)](builder, *args)


def _define_comparison(function, symbol):
    def integer(builder, x, y):
        return builder.icmp_unsigned(symbol, x, y)

    def real(builder, x, y):  # as IEEE 754 and Python: NaN differs from all numbers
        compare = builder.fcmp_unordered if symbol == "!=" else builder.fcmp_ordered
        return compare(symbol, x, y)

    _define_operator(function, float=real, integer=integer)


def _negative(builder, x):
    """By subtraction, as Numba's of numbers: the compiler of GPUs knows no instruction for it."""
    return builder.fsub(ir.Constant(x.type, [-0.0] * x.type.count), x)


def _absolute(builder, x):
    """Without the sign bit: the compiler of GPUs has no instruction for vectors here, either."""
    width = 32 if x.type.element == ir.FloatType() else 64
    integers = ir.VectorType(ir.IntType(width), x.type.count)
    all_but_sign = ir.Constant(integers, [2 ** (width - 1) - 1] * x.type.count)
    return builder.bitcast(builder.and_(builder.bitcast(x, integers), all_but_sign), x.type)


_define_operator(operator.add, float=ir.IRBuilder.fadd, integer=ir.IRBuilder.add)
_define_operator(operator.sub, float=ir.IRBuilder.fsub, integer=ir.IRBuilder.sub)
_define_operator(operator.mul, float=ir.IRBuilder.fmul, integer=ir.IRBuilder.mul)
_define_operator(operator.truediv, float=ir.IRBuilder.fdiv)
_define_operator(operator.neg, 1, float=_negative)
_define_operator(abs, 1, float=_absolute)
for _function, _emit in (
    (operator.and_, ir.IRBuilder.and_),
    (operator.or_, ir.IRBuilder.or_),
    (operator.xor, ir.IRBuilder.xor),
):
    _define_operator(_function, integer=_emit, mask=_emit)
_define_operator(operator.lshift, integer=ir.IRBuilder.shl)
_define_operator(operator.rshift, integer=ir.IRBuilder.lshr)
for _function, _symbol in _COMPARES.items():
    _define_comparison(_function, _symbol)


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


@intrinsic
def sum_of_neighbours(typingctx, x, count):
    """In each lane, the sum of the constantly many lanes that it is one of, added up in halves.

    That is ``(x[0] + x[2]) + (x[1] + x[3])`` for 4.
    """
    if not isinstance(x, Lanes) or not isinstance(count, types.IntegerLiteral):
        return None

    def codegen(context, builder, sig, args):
        total, half = args[0], count.literal_value // 2
        while half:
            places = [lane ^ half for lane in range(x.count)]
            places = ir.Constant(ir.VectorType(ir.IntType(32), x.count), places)
            total = builder.fadd(total, builder.shuffle_vector(total, total, places))
            half //= 2
        return total

    return x(x, count), codegen
