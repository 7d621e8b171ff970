"""Compiles every CUDA kernel to PTX, and that to machine code, on a machine that needs no GPU.

    python -m tests.kernels.ptx 8.0 9.0 10.0

prints a JSON list with what each one is made of.  It exits with 77 and a reason if the compiler or
NVIDIA's libraries are missing.  Every kernel is compiled with the types that the library launches
it with: its own functions are called, on arrays of the host, with `launch` replaced.
"""

import glob
import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile

import numba
import numpy as np

import lowprec as lp
import lowprec.cuda
from lowprec.device import get_device
from lowprec.formats.entries import FORMATS
from lowprec.kernels.columns import STATES, WEIGHT
from lowprec.kernels.gradients import Gradients
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
    """Every (kernel, label, type of the tuple of its arguments) that the library can launch."""
    package = importlib.import_module("lowprec.kernels.cuda")
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    found, current = {}, {}

    def record(run, threads, *arguments):
        found.setdefault((run.__name__, numba.typeof(arguments)), (run, current["format"]))

    for module in modules:
        if hasattr(module, "launch") and not module.__name__.endswith(".launch"):
            module.launch = record
    for current["format"], word in WORDS.items():
        call_table_kernels(package, word)
    current["format"] = "float32"
    call_other_kernels(package)
    return [(run, label, types) for (_, types), (run, label) in found.items()]


def call_table_kernels(kernels, word):
    n, columns, features = 600, 16, 3
    weight = np.zeros((12, columns), word)
    x, out = np.zeros(n, np.float32), np.zeros(n, word)
    grad = np.zeros((n, columns), np.float32)
    rows, bags = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
    floats, offsets = np.zeros(n, np.float32), np.arange(n + 1)
    none = bags[:0], floats[:0]
    keys = row_keys(get_device("cpu"), 0, 0)
    kernels.fill_uniform(weight, 0, 12, np.float32(1.0), keys)
    kernels.fill_rows(weight, rows, np.zeros(n, np.uint64), floats, keys)
    kernels.round_stochastic(x, np.uint64(0), out)
    kernels.round_nearest(x, out)
    kernels.round_up_probability(x, out, np.zeros(n))
    kernels.gather(weight, rows, grad)
    kernels.write_rows(weight, rows, grad, keys, np.uint64(0), True)
    kernels.pool(weight, rows, offsets, floats, True, grad)
    segments = kernels.group_by_row(rows, bags, 12, columns, Memory)
    for gradients in (Gradients(grad, *none), Gradients(grad, bags, floats)):
        kernels.sum_pieces(segments, gradients)
        kernels.sum_segments(segments, gradients, grad)
        check = kernels.check_steps(segments, gradients, np.float32(0.1), True, None, Memory)
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


def call_other_kernels(kernels):
    samples, features, columns = 8, 3, 16
    y, bias = np.zeros((samples, columns), np.float32), np.zeros(columns, np.float32)
    embeddings = np.zeros((samples, features, columns), np.float32)
    joined = np.zeros((samples, columns + features * (features + 1) // 2), np.float32)
    flat, diverged = np.zeros(samples, np.float32), np.zeros(1, np.bool_)
    ids, sizes = np.zeros(samples, np.int32), np.full(features, 10)
    kernels.hash_categories(ids.astype(np.int64), sizes, ids)
    kernels.add_bias(y, bias, True)
    kernels.bias_backward(y, y.copy(), True)
    kernels.note_nonfinite(flat, diverged)
    for optimizer in (*OPTIMIZERS, *MORE_OPTIMIZERS):
        arrays = (y, *init_states(get_device("cpu"), optimizer, *y.shape, dense=True).values())
        kernels.update_dense(rules_of(optimizer, 0), arrays, y, diverged)
    kernels.logistic_loss(flat, flat, flat, flat)
    kernels.dot_forward(y, embeddings, joined)
    kernels.dot_backward(joined, y, embeddings, y, embeddings)


class OfflineDevice:
    """Lets functions that kernels call be compiled although there is no driver to ask."""

    def __init__(self, capability):
        self.capability = capability

    def __enter__(self):
        import numba.cuda.dispatcher as dispatcher

        self.dispatcher, self.before = dispatcher, dispatcher.get_current_device
        device = type("Device", (), {"compute_capability": self.capability})
        dispatcher.get_current_device = lambda: device

    def __exit__(self, *exception):
        self.dispatcher.get_current_device = self.before


def find_ptxas():
    """NVIDIA's assembler: from ``LOWPREC_PTXAS``, a wheel, the path or ``CUDA_HOME``; or None."""
    packages = sysconfig.get_paths()["purelib"]
    candidates = (
        os.environ.get("LOWPREC_PTXAS"),
        *glob.glob(f"{packages}/nvidia/cu*/bin/ptxas"),
        *glob.glob(f"{packages}/nvidia/cuda_nvcc/bin/ptxas"),
        shutil.which("ptxas"),
        os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin", "ptxas"),
    )
    return next((path for path in candidates if path and os.access(path, os.X_OK)), None)


def inspect_ptx(ptx):
    """What is in a kernel's PTX that should be there, or should not."""
    return {
        "wide": len(re.findall(r"\b(?:ld|st)\.global[\w.]*\.v4\.[fbu]32", ptx)),
        "fma": ptx.count("fma.rn.f32"),
        "bare_mul": len(re.findall(r"\bmul(?:\.ftz)?\.f32", ptx)),
        "divisions": ptx.count("div.rn.f32"),
        "flushes": len(re.findall(r"\.ftz\b", ptx)),
        "f64": len(re.findall(r"\.f64\b", ptx)),
        "local": len(re.findall(r"\.local\b", ptx)),
        "calls": len(re.findall(r"\bcall\b", ptx)),
    }


def assemble(ptxas, ptx, capability):
    """What the assembler says of a kernel, in numbers."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "kernel.ptx")
        with open(source, "w") as file:
            file.write(ptx)
        target = "sm_{}{}".format(*capability)
        done = subprocess.run(
            [ptxas, "-v", f"-arch={target}", source, "-o", os.path.join(folder, "kernel.cubin")],
            capture_output=True,
            text=True,
        )
    log = done.stdout + done.stderr
    if done.returncode:
        return {"error": log.strip()}
    used = r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    stack, stores, loads = map(int, re.search(used, log).groups())
    registers = int(re.search(r"Used (\d+) registers", log)[1])
    return {"registers": registers, "stack": stack, "spills": stores + loads}


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
    return ""


def main(capabilities):
    reason = why_not()
    if reason:
        print(json.dumps({"skip": reason}))
        return CANNOT
    ptxas, report = find_ptxas(), []
    launches = record_launches()
    for capability in capabilities:
        with OfflineDevice(capability):
            for run, label, types in launches:
                signature = numba.types.void(types)
                ptx, _ = lowprec.cuda.cuda.compile(
                    run.py_func, signature, device=False, abi="numba", cc=capability
                )
                entry = {"kernel": run.__name__, "format": label, "capability": capability,
                         "catches_up": "CatchUp" in str(types)}  # fmt: skip
                entry |= inspect_ptx(ptx)
                if ptxas:
                    entry |= assemble(ptxas, ptx, capability)
                report.append(entry)
    implementation = getattr(lowprec.cuda.cuda, "implementation", "unknown")
    print(json.dumps({"implementation": implementation, "ptxas": ptxas, "kernels": report}))
    return 0


if __name__ == "__main__":
    sys.exit(main([tuple(map(int, each.split("."))) for each in sys.argv[1:]] or [(9, 0)]))
