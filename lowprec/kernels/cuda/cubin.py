"""Machine code of kernels: compiled once, and kept on disk beside that of the CPU's."""

import pickle
from contextlib import suppress

from lowprec.cuda import capability_of, compile_kernel, versions
from lowprec.kernels import storage
from lowprec.kernels.cache import file_name
from lowprec.kernels.fingerprint import UnknownError


def cubin_of(kernel, types, gpu):
    """The name and the machine code (bytes) of a kernel, compiled for arguments of these types.

    `gpu` is the number of the GPU that runs it.
    """
    capability, path = capability_of(gpu), None
    with suppress(UnknownError):
        target = ("cuda", capability, versions())
        path = file_name(kernel.function, types, (kernel.run.targetoptions,), target)
    found = None if path is None else _read(path)
    if found is None:
        found = compile_kernel(kernel.run, types, capability)
        if path is not None and storage.writes():
            storage.write(path, pickle.dumps(found))
    return found


def _read(path):
    payload = storage.read(path)
    if payload is None:
        return None
    storage.note_use(path)
    return pickle.loads(payload)
