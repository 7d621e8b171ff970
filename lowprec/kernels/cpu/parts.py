"""The parts of a kernel's work, each done by a thread of Numba's.

`numba.prange` would do that, too.  But it has each loop compiled three times over, and wakes
threads even for a single part.  Here the loop over parts is one small function beside the kernel,
and Numba's threads are given it as they are given those of `prange`.
"""

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.callconv import Status, excinfo_ptr_t
from numba.extending import intrinsic

from lowprec.kernels.cpu.processor import call_in_standard_state

_POINTER, _INDEX, _INT = cgutils.voidptr_t, cgutils.intp_t, cgutils.int32_t
# What each of Numba's threads calls: pointers to its first item, how many items it has, the
# distance between items in bytes, and what all items share.
_LOOP = ir.FunctionType(
    ir.VoidType(), [_POINTER.as_pointer(), _INDEX.as_pointer(), _INDEX.as_pointer(), _POINTER]
)
_CODE, _ERROR, _VALUES = 0, 1, 2  # the fields of what all parts share


@intrinsic
def in_parts(typingctx, function, *arguments):
    """Call ``function(*arguments[:-1], part, parts)`` for each part, of as many as the last says.

    Each call is in the standard state, and if there are several, each runs in its own thread.  The
    function is compiled and returns nothing.  An error in one is raised when all have ended.
    """
    *_, parts_type = arguments
    signature = function.get_call_type(typingctx, (*arguments[:-1], types.intp, parts_type), {})

    def codegen(context, builder, sig, args):
        compiled = function.dispatcher.get_compile_result(signature)
        context.active_code_library.add_linking_library(compiled.library)
        values = cgutils.unpack_tuple(builder, args[1])
        shared = _share(builder, values)
        loop = _loop(context, builder, compiled, signature, shared.type.pointee)
        parts = context.cast(builder, values[-1], parts_type, types.intp)
        _run(builder, loop, parts, builder.bitcast(shared, _POINTER))
        code = builder.load(_field(builder, shared, _CODE))
        with cgutils.if_unlikely(builder, cgutils.is_not_null(builder, code)):
            error = builder.load(_field(builder, shared, _ERROR))
            status = Status(*[None] * len(Status._fields))._replace(code=code, excinfoptr=error)
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(function, types.StarArgTuple.from_types(arguments)), codegen


def _field(builder, shared, number):
    return cgutils.gep_inbounds(builder, shared, 0, number)


def _share(builder, values):
    """Where all threads read the arguments, and write their errors."""
    kinds = [_INT, excinfo_ptr_t, *(value.type for value in values)]
    shared = cgutils.alloca_once(builder, ir.LiteralStructType(kinds))
    builder.store(_INT(0), _field(builder, shared, _CODE))
    for number, value in enumerate(values, _VALUES):
        builder.store(value, _field(builder, shared, number))
    return shared


def _loop(context, kernel, compiled, signature, kind):
    """A function that does some of the parts; its items are bytes, one a part, of no meaning."""
    module = kernel.module
    name = module.get_unique_name(f"{kernel.function.name}.parts")
    function = ir.Function(module, _LOOP, name)
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block())
    items, count, _, data = function.args
    shared = builder.bitcast(data, kind.as_pointer())
    numbers = range(_VALUES, len(kind.elements))
    *values, parts = [builder.load(_field(builder, shared, number)) for number in numbers]
    first = builder.sub(
        builder.ptrtoint(builder.load(items), _INDEX), builder.ptrtoint(data, _INDEX)
    )
    with cgutils.for_range(builder, builder.load(count)) as loop:
        part = builder.add(first, loop.index)
        status, _ = call_in_standard_state(
            context, builder, compiled, signature, [*values, part, parts]
        )
        with cgutils.if_unlikely(builder, status.is_error):
            builder.store(status.code, _field(builder, shared, _CODE))
            builder.store(status.excinfoptr, _field(builder, shared, _ERROR))
    builder.ret_void()
    return function


def _run(builder, loop, parts, data):
    """Have the parts done by as many threads, or here if there is one."""
    items = cgutils.alloca_once_value(builder, data)
    count = cgutils.alloca_once_value(builder, parts)
    distance = cgutils.alloca_once_value(builder, _INDEX(1))
    several = builder.icmp_signed(">", parts, _INDEX(1))
    with builder.if_else(several) as (by_threads, here):
        with by_threads:
            _run_by_threads(builder, loop, parts, items, count, distance, data)
        with here:
            builder.call(loop, [items, count, distance, data])


def _run_by_threads(builder, loop, parts, items, count, distance, data):
    numba.get_num_threads()  # starts them, and tells LLVM where their functions are

    def function(name, result, *kinds):
        return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, kinds), name)

    parallel_for = function("numba_parallel_for", ir.VoidType(), *[_POINTER] * 5, *[_INDEX] * 3)
    pointers = [builder.bitcast(x, _POINTER) for x in (loop, items, count, distance, data)]
    # how many threads later kernels of this thread may use: it is set to those of this one
    allowed = builder.call(function("get_num_threads", _INT), [])
    builder.call(parallel_for, [*pointers, _INDEX(0), _INDEX(1), parts])
    builder.call(function("set_num_threads", ir.VoidType(), _INT), [allowed])
