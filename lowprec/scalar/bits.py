"""Bit casts, selection, fma, square roots and half conversion of numbers or `Lanes` of them.

Each intrinsic is one instruction on the CPUs and GPUs we care about and has no Python equivalent
inside a compiled function.
"""

import platform

import llvmlite.binding
from llvmlite import ir
from numba import config, types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

from lowprec.scalar.lanes import Lanes, common_type, dtype_of, with_dtype

_HALF = ir.HalfType()


def compiled_for(feature):
    """Whether the CPU that Numba compiles for has a feature, by LLVM's name."""
    if config.CPU_NAME and config.CPU_NAME != "host":
        return f"+{feature}" in (config.CPU_FEATURES or "")
    return bool(llvmlite.binding.get_host_cpu_features().get(feature, False))


# Whether that CPU converts halves itself.  Where it does not, LLVM emits a call to a runtime
# function that is not linked, which crashes the process; `formats` then uses integer arithmetic,
# which gives the same bits.
HALF_IN_HARDWARE = platform.machine().lower() in ("aarch64", "arm64") or compiled_for("f16c")


@intrinsic
def u32(typingctx, x):
    """`x` as uint32; wraps every uint32 operation, since Numba widens those to 64 bits."""

    def codegen(context, builder, sig, args):
        if not isinstance(x, Lanes):
            return context.cast(builder, args[0], x, types.uint32)
        if dtype_of(x).bitwidth == 32:
            return args[0]
        return builder.zext(args[0], context.get_value_type(sig.return_type))

    return with_dtype(x, types.uint32)(x), codegen


@intrinsic
def narrow(typingctx, x, width):
    """The low bits of uint32 `x` as an unsigned integer of `width` bits, a constant."""
    if not isinstance(width, types.IntegerLiteral):
        return None
    integer = types.Integer.from_bitwidth(width.literal_value, signed=False)

    def codegen(context, builder, sig, args):
        return builder.trunc(args[0], context.get_value_type(sig.return_type))

    return with_dtype(x, integer)(with_dtype(x, types.uint32), width), codegen


@intrinsic
def select(typingctx, condition, x, y):
    """`x` where `condition` holds, else `y`."""

    def codegen(context, builder, sig, args):
        return builder.select(*args)

    either = with_dtype(condition, dtype_of(common_type(x, y)))
    return either(condition, either, either), codegen


@intrinsic
def any_of(typingctx, condition):
    """Whether a condition holds, in any of the lanes where it is a mask."""

    def codegen(context, builder, sig, args):
        if not isinstance(condition, Lanes):
            return args[0]
        bits = ir.IntType(condition.count)
        return builder.icmp_unsigned("!=", builder.bitcast(args[0], bits), bits(0))

    return types.boolean(condition), codegen


@intrinsic
def signed_less(typingctx, x, y):
    """Whether `x` is below `y`, two uint32 read as two's complement."""

    def codegen(context, builder, sig, args):
        return builder.icmp_signed("<", *args)

    either = common_type(x, y)
    return with_dtype(either, types.boolean)(either, either), codegen


@intrinsic
def signed_max(typingctx, x, y):
    """The larger of two uint32 read as two's complement."""

    def codegen(context, builder, sig, args):
        return builder.select(builder.icmp_signed(">", *args), *args)

    either = common_type(x, y)
    return either(either, either), codegen


@intrinsic
def float_as_bits(typingctx, x):
    """The bits of a float32 as uint32."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(sig.return_type))

    return with_dtype(x, types.uint32)(with_dtype(x, types.float32)), codegen


@intrinsic
def bits_as_float(typingctx, bits):
    """The float32 with these bits (uint32)."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(sig.return_type))

    return with_dtype(bits, types.float32)(with_dtype(bits, types.uint32)), codegen


def _float_type(*given):
    """float64 where one of the arguments is, else float32; as many lanes as they have."""
    double = any(dtype_of(each) == types.float64 for each in given)
    return with_dtype(common_type(*given), types.float64 if double else types.float32)


def _call_llvm(builder, name, args):
    """LLVM's intrinsic `name` of floats, or of lanes of them."""
    of = args[0].type
    element = of.element if isinstance(of, ir.VectorType) else of
    suffix = f"f{32 if element == ir.FloatType() else 64}"
    if isinstance(of, ir.VectorType):
        suffix = f"v{of.count}{suffix}"
    function = ir.FunctionType(of, [of] * len(args))
    callee = get_or_insert_function(builder.module, function, f"llvm.{name}.{suffix}")
    return builder.call(callee, args)


@intrinsic
def fma(typingctx, x, y, z):
    """x * y + z of float32 or float64, rounded once, on every device alike."""

    def codegen(context, builder, sig, args):
        return _call_llvm(builder, "fma", args)

    every = _float_type(x, y, z)
    return every(every, every, every), codegen


@intrinsic
def product(typingctx, x, y):
    """x * y of float32 or float64, which no sum that it is part of is fused with, on any device.

    LLVM fuses nothing for CPUs, but the assembler of GPUs would.
    """

    def codegen(context, builder, sig, args):
        if not context.strict_alignment:  # which GPUs have
            return builder.fmul(*args)
        vector_type = args[0].type
        if not isinstance(vector_type, ir.VectorType):
            return _multiply_unfused(builder, *args)
        result = ir.Constant(vector_type, ir.Undefined)
        for place in map(ir.IntType(32), range(vector_type.count)):
            factors = (builder.extract_element(each, place) for each in args)
            result = builder.insert_element(result, _multiply_unfused(builder, *factors), place)
        return result

    either = _float_type(x, y)
    return either(either, either), codegen


def _multiply_unfused(builder, x, y):
    name = f"llvm.nvvm.mul.rn.{'f' if x.type == ir.FloatType() else 'd'}"
    callee = get_or_insert_function(builder.module, ir.FunctionType(x.type, [x.type, x.type]), name)
    return builder.call(callee, [x, y])


@intrinsic
def sqrt(typingctx, x):
    """The square root of float32 or float64, rounded once."""

    def codegen(context, builder, sig, args):
        return _call_llvm(builder, "sqrt", args)

    either = _float_type(x)
    return either(either), codegen


def _half_type(vector_type):
    """LLVM's half, or lanes of it, as many as `vector_type` has."""
    is_lanes = isinstance(vector_type, ir.VectorType)
    return ir.VectorType(_HALF, vector_type.count) if is_lanes else _HALF


@intrinsic
def half_as_float(typingctx, half):
    """The float32 value of a half (uint16); only where `HALF_IN_HARDWARE`."""

    def codegen(context, builder, sig, args):
        result = context.get_value_type(sig.return_type)
        return builder.fpext(builder.bitcast(args[0], _half_type(result)), result)

    return with_dtype(half, types.float32)(half), codegen


@intrinsic
def float_as_half(typingctx, x):
    """The half (uint16) nearest to float32 `x`, ties to even; only where `HALF_IN_HARDWARE`."""

    def codegen(context, builder, sig, args):
        result = context.get_value_type(sig.return_type)
        return builder.bitcast(builder.fptrunc(args[0], _half_type(result)), result)

    return with_dtype(x, types.uint16)(with_dtype(x, types.float32)), codegen
