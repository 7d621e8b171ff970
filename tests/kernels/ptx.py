"""Compiles every CUDA kernel as a GPU runs it, on a machine that needs none.

    python -m tests.kernels.ptx 8.0 9.0 10.0

prints a JSON list with what each one is made of, after link-time optimization as ``@cuda.jit`` does
it: machine code for each GPU (of 8-bit formats, for the first), and PTX for the last.  It exits
with 77 and a reason if NVIDIA's compiler is missing.  Every kernel is compiled with the types that
the library launches it with: its own functions are called, on arrays of the host, with `launch`
replaced.
"""

import importlib
import json
import pkgutil
import re
import struct
import sys

import numba
import numpy as np

import lowprec as lp
import lowprec.cuda
from lowprec.device import get_device
from lowprec.formats.entries import FORMATS
from lowprec.kernels.columns import STATES, WEIGHT
from lowprec.kernels.cuda.arguments import letters_of, type_of
from lowprec.kernels.cuda.launch import KERNELS
from lowprec.kernels.gradients import Gradients
from lowprec.kernels.in_memory import cells_of, in_cells
from lowprec.optimizers import init_states
from lowprec.optimizers.catching_up import DecayLogs
from lowprec.optimizers.rules import rules_of
from lowprec.tables.keys import row_keys

CANNOT = 77
BOTH = WEIGHT + STATES
OPTIMIZERS = (lp.SGD(0.1), lp.RowWiseAdagrad(0.1))
MORE_OPTIMIZERS = (  # in float16 alone
    lp.SGD(0.1, momentum=0.5), lp.Adagrad(0.1), lp.Adam(0.1), lp.Adam(0.1, state_dtype="bfloat16"),
    lp.RowWiseAdagrad(0.1, state_dtype="bfloat16"), lp.FTRL(0.1), lp.LAMB(0.1),
    lp.SGD(0.1, clip_value=1.0, clip_norm=1.0), lp.Adam(0.1, clip_norm=1.0),
    lp.LAMB(0.1, weight_decay=0.1, decay="catch_up"),
)  # fmt: skip
WORDS = {"float32": np.dtype(np.float32)} | {each.name: each.word for each in FORMATS}


class Memory:
    """Scratch as the library hands it to kernels."""

    @staticmethod
    def empty(name, shape, dtype):
        return np.zeros(shape, dtype)


def record_launches():
    """Every (kernel, label, arguments) that the library can launch, once for each type of these."""
    package = importlib.import_module("lowprec.kernels.cuda")
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    found, current = {}, {}

    def record(run, threads, *arguments):
        types = numba.typeof(arguments)
        found.setdefault((run.__name__, types), (run, current["format"], arguments))

    for module in modules:
        if hasattr(module, "launch") and not module.__name__.endswith(".launch"):
            module.launch = record
    for current["format"], word in WORDS.items():
        call_table_kernels(package, word)
    current["format"] = "float16"
    call_with_numbers_in_memory(package)
    current["format"] = "float32"
    call_other_kernels(package)
    return list(found.values())


def call_table_kernels(kernels, word):
    n, columns, features = 600, 16, 3
    weight = np.zeros((12, columns), word)
    x, out = np.zeros(n, np.float32), np.zeros(n, word)
    grad = np.zeros((n, columns), np.float32)
    rows, bags = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
    floats, offsets = np.zeros(n, np.float32), np.arange(n + 1)
    none = bags[:0], floats[:0]
    keys = row_keys(get_device("cpu"), 0, 0, lp.Shard(0, 1))
    kernels.fill_uniform(weight, 0, 12, np.float32(1.0), keys)
    kernels.fill_rows(weight, rows, np.zeros(n, np.uint64), floats, keys)
    kernels.round_stochastic(x, np.uint64(0), out)
    kernels.round_nearest(x, out)
    kernels.round_up_probability(x, out, np.zeros(n))
    kernels.gather(weight, rows, grad)
    kernels.gather_to(weight, rows, bags, grad)
    kernels.pack(grad, bags, 0, np.uint64(0), np.zeros((n, columns), word))
    kernels.write_rows(weight, rows, grad, keys, np.uint64(0), True)
    kernels.pool(weight, rows, offsets, floats, True, grad)
    for gradients in (Gradients(grad, *none), Gradients(grad, bags, floats)):
        segments, check = kernels.group_and_check(
            rows, bags, 12, gradients, np.float32(0.1), True, None, Memory
        )
        kernels.sum_segments(segments, gradients, grad)
        more = MORE_OPTIMIZERS if word == WORDS["float16"] else ()
        for optimizer in (*OPTIMIZERS, *more):
            device = get_device("cpu")
            states = init_states(device, optimizer, *weight.shape)
            dtypes = optimizer.state_dtypes()
            states = (device.words(array, dtypes[name]) for name, array in states.items())
            arrays = (weight, *states)
            logs = DecayLogs(optimizer, device).until(0) if optimizer.catches_up else None
            kernels.update_rows(
                rules_of(optimizer, 0, logs), arrays, segments, gradients, keys, np.uint64(0), BOTH,
                np.float32(1.0), check, Memory,
            )  # fmt: skip
    for dtype in (np.int32, np.int64):
        ids = np.zeros(n, dtype)
        tables = np.full(features, 4), np.arange(features) * 4
        kernels.rows_of_features(ids, *tables, rows, bags)
        kernels.rows_of_bags(ids, offsets, *tables, rows, bags, 1)


def call_with_numbers_in_memory(kernels):
    """As a CUDA graph repeats it: the numbers of a step are not arguments."""
    rows, grad = np.zeros(600, np.uint32), np.zeros((600, 16), np.float32)
    none, diverged = (rows[:0], grad[:0, 0]), np.zeros(1, np.bool_)
    keys, device = row_keys(get_device("cpu"), 0, 0, lp.Shard(0, 1)), get_device("cpu")
    for optimizer in (lp.SGD(0.1), lp.LAMB(0.1, weight_decay=0.1, clip_norm=1.0)):
        numbers = (rules_of(optimizer, 0), np.uint64(0), np.float32(1.0))
        rules, step, limit = in_cells(numbers, cells_of(numbers))
        segments, check = kernels.group_and_check(
            rows, rows, 12, Gradients(grad, *none), limit, True, None, Memory
        )
        weight = np.zeros((12, 16), WORDS["float16"])
        states = init_states(device, optimizer, *weight.shape).values()
        kernels.update_rows(
            rules, (weight, *states), segments, Gradients(grad, *none), keys, step, BOTH, limit,
            check, Memory,
        )  # fmt: skip
        states = [init_states(device, optimizer, *grad.shape, dense=True).values()] * 3
        kernels.update_dense(rules, [grad] * 3, states, [grad] * 3, diverged, Memory)


def call_other_kernels(kernels):
    samples, features, columns = 8, 3, 16
    y, bias = np.zeros((samples, columns), np.float32), np.zeros(columns, np.float32)
    embeddings = np.zeros((samples, features, columns), np.float32)
    joined = np.zeros((samples, columns + features * (features + 1) // 2), np.float32)
    flat, diverged = np.zeros(samples, np.float32), np.zeros(1, np.bool_)
    ids, sizes = np.zeros(samples, np.int32), np.full(features, 10)
    kernels.hash_categories(ids.astype(np.int64), sizes, ids)
    kernels.dense.add_bias(y, bias, True)
    kernels.dense.bias_gradient(y, y.copy(), True)
    kernels.note_nonfinite(flat, [flat], diverged, Memory)
    for optimizer in (*OPTIMIZERS, *MORE_OPTIMIZERS):
        states = [init_states(get_device("cpu"), optimizer, *y.shape, dense=True).values()] * 3
        kernels.update_dense(rules_of(optimizer, 0), [y] * 3, states, [y] * 3, diverged, Memory)
    kernels.logistic_loss(flat, flat, flat, flat)
    kernels.dot_forward(y, embeddings, joined)
    kernels.dot_backward(joined, y, embeddings, y, embeddings)


class OfflineDevice:
    """Lets kernels be compiled although there is no driver to ask for a GPU."""

    def __init__(self, capability):
        self.device = type("Device", (), {"compute_capability": capability, "id": 0})

    def __enter__(self):
        from numba.cuda import codegen, dispatcher
        from numba.cuda.cudadrv import devices

        context = type("Context", (), {"device": self.device})
        self.replaced = (
            (dispatcher, "get_current_device", lambda: self.device),
            (devices._runtime, "get_or_create_context", lambda number=None: context),
            # of the PTX before link-time optimization, which no GPU runs
            (codegen.CUDACodeLibrary, "get_asm_str", lambda library, cc=None: ""),
        )
        self.before = [getattr(owner, name) for owner, name, _ in self.replaced]
        for owner, name, value in self.replaced:
            setattr(owner, name, value)

    def __exit__(self, *exception):
        for (owner, name, _), value in zip(self.replaced, self.before, strict=True):
            setattr(owner, name, value)


def inspect_ptx(ptx):
    """What is in a kernel's PTX that should be there, or should not."""
    return {
        "wide": len(re.findall(r"\b(?:ld|st)\.global[\w.]*\.v(?:4\.[fbu]32|2\.[bu]64)", ptx)),
        "fma": ptx.count("fma.rn.f32"),
        "bare_mul": len(re.findall(r"\bmul(?:\.ftz)?\.f32", ptx)),
        "divisions": ptx.count("div.rn.f32"),
        "integer_divisions": len(re.findall(r"\b(?:div|rem)\.[us]\d", ptx)),
        "flushes": len(re.findall(r"\.ftz\b", ptx)),
        "f64": len(re.findall(r"\.f64\b", ptx)),
        "local": len(re.findall(r"\.local\b", ptx)),
        "calls": len(re.findall(r"\bcall\b", ptx)),
    }


# attributes of machine code, and the formats of their values
_REGISTERS, _STACK, _VALUES = 0x2F, 0x11, 4


def inspect_cubin(code):
    """Registers, and bytes of the stack (spilled ones among them), of the only kernel of an ELF.

    They are in its section ``.nv.info``: see "CUDA Binary Utilities", and `cuobjdump -elf`.
    """
    (offset,) = struct.unpack_from("<Q", code, 0x28)
    count, of_names = struct.unpack_from("<HH", code, 0x3C)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, offset + 64 * i) for i in range(count)]
    names = sections[of_names][4]
    found = {}
    for section in sections:
        start = names + section[0]
        if code[start : code.index(b"\0", start)] != b".nv.info":
            continue
        place, end = section[4], section[4] + section[5]
        while place < end:
            kind, attribute, size = struct.unpack_from("<BBH", code, place)
            place += 4
            if kind == _VALUES:
                if attribute in (_REGISTERS, _STACK):
                    found[attribute] = struct.unpack_from("<II", code, place)[1]
                place += size
    return {"registers": found[_REGISTERS], "stack": found[_STACK]}


def parameters_of(ptx):
    """The bytes of each parameter of the only kernel of a PTX."""
    declared = re.search(r"\.entry\s+[^(]*\(([^)]*)\)", ptx)[1]
    return [int(bits) // 8 for bits in re.findall(r"\.param\s+\.[busf](\d+)", declared)]


def sizes_of(arguments):
    """The bytes of what the library gives a kernel."""
    return [struct.calcsize(f"<{letter}") for letter in letters_of(arguments)]


def why_not():
    """Why kernels cannot be compiled here, or an empty string."""
    cuda = lowprec.cuda.cuda
    if cuda is None:
        return lowprec.cuda.why_unavailable()
    if lowprec.cuda.SIMULATED:
        return "NUMBA_ENABLE_CUDASIM is set"
    from numba.cuda.cudadrv import nvvm
    from numba.cuda.cudadrv.error import NvvmSupportError

    try:
        nvvm.NVVM()
    except (NvvmSupportError, OSError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())
        return f"libNVVM is missing ({reason}): pip install 'numba-cuda[cu13]' or set CUDA_HOME"
    if not all(kernel.run.targetoptions.get("lto") for kernel in KERNELS.values()):
        return "nvJitLink is missing: pip install 'numba-cuda[cu13]'"
    return ""


def main(capabilities):
    reason = why_not()
    if reason:
        print(json.dumps({"skip": reason}))
        return CANNOT
    from numba.cuda.dispatcher import _Kernel

    report = []
    with OfflineDevice(capabilities[0]):
        for kernel, label, arguments in record_launches():
            run, types = kernel.run, type_of(arguments)
            assert types == numba.typeof(arguments), kernel.__name__
            # as `lowprec.cuda.compile_kernel` does, once for all GPUs
            compiled = _Kernel(run.py_func, (types,), **run.targetoptions)
            library, entry = compiled.library, f".text.{compiled.entry_name}\0".encode()
            about = {
                "kernel": kernel.__name__, "format": label, "catches_up": "CatchUp" in str(types),
                "given": sizes_of(arguments),
            }  # fmt: skip
            ptx = library.get_lto_ptx(cc=capabilities[-1])
            about |= {"parameters": parameters_of(ptx), **inspect_ptx(ptx)}
            # 8-bit formats differ in scalar functions alone
            for capability in capabilities[:1] if label.startswith("float8") else capabilities:
                code = library.get_cubin(cc=capability).code
                found = {"capability": capability, "named": entry in code, **inspect_cubin(code)}
                report.append(about | found)
    implementation = getattr(lowprec.cuda.cuda, "implementation", "unknown")
    print(json.dumps({"implementation": implementation, "kernels": report}))
    return 0


if __name__ == "__main__":
    sys.exit(main([tuple(map(int, each.split("."))) for each in sys.argv[1:]] or [(9, 0)]))
