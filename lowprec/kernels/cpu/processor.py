"""The floating-point state of a thread, and functions that compute in the one they need.

A processor rounds as each thread's control register says.  Libraries change it: those linked with
``-ffast-math`` make subnormal numbers 0 where they are loaded.  So each thread's part of a kernel
runs in the standard state, that of IEEE 754: rounding to nearest, with subnormal numbers, and no
exception ends the process.  The state from before is then restored.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from lowprec.kernels.cache import cached
from lowprec.kernels.cpu.options import SERIAL

_X86_CONTROL, _X86_STANDARD = 0xFFC0, 0x1F80  # of MXCSR; the six bits below are flags
_ARM_STANDARD = 0  # of FPCR; flags are in another register
_OTHER = 1 << 62  # marks a state that is not the standard one; no register has this bit


def _machine(builder):
    """Which register there is, by the target that code is made for; None if it is unknown."""
    architecture = builder.module.triple.partition("-")[0]
    return {"x86_64": "x86", "aarch64": "arm", "arm64": "arm"}.get(architecture)


def _call(builder, name, result, arguments):
    """Call what reads or writes the register; no access to memory is moved across it."""
    function_type = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, function_type, name)
    builder.fence("seq_cst", "singlethread")  # no instruction: only the compiler minds it
    value = builder.call(function, arguments)
    builder.fence("seq_cst", "singlethread")
    return value


def _read(builder):
    """The control register, as 64 bits."""
    wide, machine = ir.IntType(64), _machine(builder)
    if machine == "x86":
        place = cgutils.alloca_once(builder, ir.IntType(32))
        pointer = builder.bitcast(place, cgutils.voidptr_t)
        _call(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), [pointer])
        return builder.zext(builder.load(place), wide)
    if machine == "arm":
        return _call(builder, "llvm.aarch64.get.fpcr", wide, [])
    return wide(0)


def _write(builder, state):
    """Set the control register to what `_read` gave."""
    machine = _machine(builder)
    if machine == "x86":
        place = cgutils.alloca_once(builder, ir.IntType(32))
        builder.store(builder.trunc(state, ir.IntType(32)), place)
        pointer = builder.bitcast(place, cgutils.voidptr_t)
        _call(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), [pointer])
    if machine == "arm":
        _call(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), [state])


def _is_standard(builder, state):
    wide = state.type
    if _machine(builder) == "x86":
        state = builder.and_(state, wide(_X86_CONTROL))
        return builder.icmp_unsigned("==", state, wide(_X86_STANDARD))
    return builder.icmp_unsigned("==", state, wide(_ARM_STANDARD))


def _standard(builder, state):
    """The standard state, with those bits of another one that say nothing of arithmetic."""
    wide = state.type
    if _machine(builder) == "x86":
        others = builder.and_(state, wide(0xFFFFFFFF & ~_X86_CONTROL))
        return builder.or_(others, wide(_X86_STANDARD))
    return wide(_ARM_STANDARD)


def _standardize(builder):
    """Set the standard state; the one before, and whether it was another one."""
    state = _read(builder)
    differs = builder.not_(_is_standard(builder, state))
    with cgutils.if_unlikely(builder, differs):
        _write(builder, _standard(builder, state))
    return state, differs


@intrinsic
def _set_state(typingctx, state):
    def codegen(context, builder, sig, args):
        _write(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def _set_standard(typingctx):
    def codegen(context, builder, sig, args):
        before, differs = _standardize(builder)
        marked = builder.or_(before, before.type(_OTHER))
        return builder.select(differs, marked, before.type(0))

    return types.int64(), codegen


@cached
@njit(**SERIAL)
def set_standard():
    """Give the calling thread the standard state; 0 if it had that, or what `set_state` takes."""
    return _set_standard()


@cached
@njit(**SERIAL)
def set_state(state):
    """Give the calling thread the state that it had before `set_standard`."""
    _set_state(state & ~_OTHER)


@intrinsic
def in_standard_state(typingctx, function, *arguments):
    """What a compiled function returns for these arguments, computed in the standard state."""
    signature = function.get_call_type(typingctx, arguments, {})

    def codegen(context, builder, sig, args):
        compiled = function.dispatcher.get_compile_result(signature)
        context.active_code_library.add_linking_library(compiled.library)
        values = cgutils.unpack_tuple(builder, args[1])
        status, result = call_in_standard_state(context, builder, compiled, signature, values)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return result

    together = types.StarArgTuple.from_types(arguments)
    return signature.return_type(function, together), codegen


def call_in_standard_state(context, builder, compiled, signature, values):
    """Call a compiled function in the standard state; its status and its result.

    Arithmetic may be moved across a change of the register, which the compiler takes for one of
    memory alone; but not out of a function that is not inlined.
    """
    before, differs = _standardize(builder)
    status, result = context.call_internal_no_propagate(builder, compiled.fndesc, signature, values)
    _call_of(builder, compiled.fndesc.llvm_func_name).attributes.add("noinline")
    with cgutils.if_unlikely(builder, differs):
        _write(builder, before)
    return status, result


def _call_of(builder, name):
    """The last call of a function in the block that is being built."""
    calls = [x for x in builder.block.instructions if getattr(x, "callee", None) is not None]
    return next(call for call in reversed(calls) if call.callee.name == name)
