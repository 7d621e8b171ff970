"""How kernels are launched on a GPU: CuPy and the compiler write down what they are asked."""

import ctypes
import struct
import sys
import types
from typing import NamedTuple

import numba
import numpy as np
import pytest

from lowprec.kernels import storage
from lowprec.kernels.cuda import arguments, cubin, launch
from lowprec.kernels.cuda.arguments import Words
from tests.devices import without_gpu

RECORD = np.dtype([("bfloat16", np.uint16)], align=True)


class Pair(NamedTuple):
    array: object
    number: object


class Other(NamedTuple):
    array: object
    number: object


class Array:
    """An array of CuPy."""

    def __init__(self, array, gpu=0):
        self.data = types.SimpleNamespace(ptr=array.ctypes.data, device_id=gpu)
        for name in ("dtype", "shape", "strides", "size", "flags"):
            setattr(self, name, getattr(array, name))


class Gpu:
    """CuPy's current GPU, and all that was compiled, loaded and launched on it."""

    def __init__(self):
        self.number, self.compiled, self.loaded, self.launched = 0, [], [], []
        self.cuda = self
        self.device = types.SimpleNamespace(get_device_id=lambda: self.number)
        self.function = types.SimpleNamespace(Module=self._module, CPointer=lambda p: p)

    def Device(self, number):  # noqa: N802
        return types.SimpleNamespace(compute_capability=("90", "100")[number])

    def compile(self, run, of, capability):
        self.compiled.append((of, capability))
        return "name", b"machine code"

    def _module(self):
        def load(code):
            self.loaded.append((self.number, code))

        return types.SimpleNamespace(load=load, get_function=lambda name: self._launch)

    def _launch(self, blocks, block, pointers):
        cells = [ctypes.string_at(pointer, arguments.CELL) for pointer in pointers]
        self.launched.append((blocks, block, cells))


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    made = Gpu()
    monkeypatch.setitem(sys.modules, "cupy", made)
    monkeypatch.setattr("lowprec.cuda.SIMULATED", False)
    monkeypatch.setattr(launch, "SIMULATED", False)
    monkeypatch.setattr(cubin, "compile_kernel", made.compile)
    monkeypatch.setenv("LOWPREC_CACHE_DIR", str(tmp_path))
    storage._folder.cache_clear()
    yield made
    storage._folder.cache_clear()


def work(thread, threads, *arguments): ...


def new_kernel():
    return launch.Kernel(work, types.SimpleNamespace(targetoptions={"lto": True}))


pytestmark = without_gpu


def test_numbers_as_numbas_kernels_take_them(gpu):
    x, words = np.zeros((2, 3), np.float32), np.zeros(5, np.uint16)
    given = (
        Array(x),
        Pair(Words(Array(words), RECORD), np.float32(0.5)),
        (),
        True,
        -7,
        np.uint64(2**64 - 1),
        np.bool_(False),
        np.uint32(9),
        np.int32(-9),
        np.float64(0.1),
    )
    launch.launch(new_kernel(), 1000, *given)
    ((blocks, block, cells),) = gpu.launched
    assert (blocks, block) == ((4,), (256,))
    letters = "QQqqQqqqq" + "QQqqQqq" + "f" + "?qQ?Iid"
    found = [struct.unpack_from(each, cell)[0] for each, cell in zip(letters, cells, strict=True)]
    assert found == [
        0, 0, 6, 4, x.ctypes.data, 2, 3, 12, 4,
        0, 0, 5, 2, words.ctypes.data, 5, 2, 0.5,
        True, -7, 2**64 - 1, False, 9, -9, 0.1,
    ]  # fmt: skip
    ((compiled_for, capability),) = gpu.compiled
    as_numba_knows = (x, Pair(words.view(RECORD), np.float32(0.5)), *given[2:])
    assert compiled_for == numba.typeof(as_numba_knows)
    assert capability == (9, 0)


def test_what_is_compiled_once_is_loaded_by_other_processes(gpu):
    x, y = Array(np.zeros(9, np.float32)), Array(np.zeros(9))
    kernel, later = new_kernel(), new_kernel()
    for _ in range(3):
        launch.launch(kernel, 2**40, x, 3)
        launch.launch(kernel, 1, x, np.int64(3))
    launch.launch(later, 1, x, 3)
    assert len(gpu.compiled) == 1
    assert gpu.loaded == [(0, b"machine code")] * 2
    assert gpu.launched[0][0] == (65536,)
    launch.launch(later, 0, x, y)  # nothing to do
    for other in (y, 3), (x, True), (Pair(x, 3),), (Other(x, 3),), ((x, 3),), (x, 3, 3):
        launch.launch(later, 1, *other)
        launch.launch(later, 1, *other)
    assert len(gpu.compiled) == 7
    gpu.number = 1  # of another kind
    launch.launch(later, 1, Array(np.zeros(9, np.float32), gpu=1), 3)
    assert gpu.compiled[-1][1] == (10, 0)
    assert len(gpu.launched) == 6 + 1 + 12 + 1


def test_arrays_that_kernels_cannot_take(gpu):
    x = np.zeros((4, 3), np.float32)
    kernel = new_kernel()
    elsewhere = Array(x, gpu=1)
    for array in elsewhere, Words(elsewhere, RECORD):
        with pytest.raises(RuntimeError, match="lies on GPU 1, and GPU 0 is the current one"):
            launch.launch(kernel, 1, Array(x), (Pair(array, 1),))
    with pytest.raises(AssertionError, match="not C-contiguous"):
        launch.launch(kernel, 1, Array(x[:, :2]))
    assert not gpu.compiled
    assert not gpu.launched


def test_a_damaged_file_is_compiled_anew(gpu, tmp_path):
    x = Array(np.zeros(9, np.float32))
    launch.launch(new_kernel(), 1, x)
    (path,) = tmp_path.rglob("*.kernel")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    launch.launch(new_kernel(), 1, x)
    assert len(gpu.compiled) == 2
    assert gpu.loaded == [(0, b"machine code")] * 2
