"""Bit casts, fused multiply-add and half decoding: the only LLVM in the package.

Each intrinsic is one instruction on the CPUs and GPUs we care about and has no Python equivalent
inside a compiled function.
"""

import platform

import llvmlite.binding
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

_HALF, _FLOAT, _INT32 = ir.HalfType(), ir.FloatType(), ir.IntType(32)


def _decodes_half_in_hardware():
    """Whether the CPU that Numba compiles for converts halves itself.

    Where it does not, LLVM emits a call to a runtime function that is not linked, which crashes
    the process; `formats.decode` then uses integer arithmetic, which gives the same bits.
    """
    if platform.machine().lower() in ("aarch64", "arm64"):
        return True
    if config.CPU_NAME and config.CPU_NAME != "host":
        return "+f16c" in (config.CPU_FEATURES or "")
    return bool(llvmlite.binding.get_host_cpu_features().get("f16c", False))


HALF_IN_HARDWARE = _decodes_half_in_hardware()


@intrinsic
def float_as_bits(typingctx, x):
    """The bits of a float32 as uint32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], _INT32)

    return types.uint32(types.float32), codegen


@intrinsic
def bits_as_float(typingctx, bits):
    """The float32 with these bits (uint32)."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], _FLOAT)

    return types.float32(types.uint32), codegen


@intrinsic
def fma(typingctx, x, y, z):
    """float32 x * y + z, rounded once, on every device alike."""

    def codegen(context, builder, signature, args):
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), codegen


@intrinsic
def half_as_float(typingctx, half):
    """The float32 value of a half (uint16); only where `HALF_IN_HARDWARE`."""

    def codegen(context, builder, signature, args):
        return builder.fpext(builder.bitcast(args[0], _HALF), _FLOAT)

    return types.float32(types.uint16), codegen
