"""Products of layers against NumPy's in float64; their bits whatever the threads, of BLAS too."""

import os
import threading

import numpy as np
import pytest

from lowprec.device import get_device
from lowprec.kernels.cpu import add_parts, blas, mlp_backward, mlp_forward, products, weighted_sum
from lowprec.workspace import Allocator
from tests import children

PART = products._MOST
MEMORY = Allocator(get_device("cpu"))


def check(found, left, right):
    """To the error bound of a sum in any order."""
    eps = np.finfo(found.dtype).eps
    left, right = left.astype(np.float64), right.astype(np.float64)
    bound = (left.shape[-1] + 2) * eps * (np.abs(left) @ np.abs(right))
    assert (np.abs(found - left @ right) <= bound).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("inputs", "outputs"), [(0, 1), (0, 4), (1, 1), (3, 1), (1, 5), (40, 33)])
@pytest.mark.parametrize("samples", [0, 1, 128, 129, 258, PART + 1, 4 * PART + 5])
def test_products(samples, inputs, outputs, dtype):
    rng = np.random.default_rng(samples + inputs + outputs)
    x, weight, dy = (
        rng.normal(size=size).astype(dtype)
        for size in ((samples, inputs), (inputs, outputs), (samples, outputs))
    )
    layers, size = [(weight, np.zeros(outputs, dtype))], products.samples_of_part(samples)
    activations = mlp_forward(x, layers, False, size, MEMORY, "layer")
    assert activations[1].dtype == dtype
    check(activations[1], x, weight)
    dx, [(dweight, dbias)] = mlp_backward(
        dy.copy(), activations, layers, False, True, size, False, MEMORY, "layer"
    )
    check(dx, dy, weight.T)
    check(dweight, x.T, dy)
    check(dbias, np.ones(samples), dy)


@pytest.mark.parametrize("columns", [0, 1, 13, 40])
@pytest.mark.parametrize("samples", [0, 1, 300, PART, PART + 1, 4 * PART + 5])
def test_weighted_sum(samples, columns):
    rng = np.random.default_rng(samples)
    x = rng.normal(size=(samples, columns)).astype(np.float32)
    factors = rng.normal(size=samples).astype(np.float32)
    found = np.full(columns, np.nan, np.float32)
    weighted_sum(x, factors, found)
    check(found, factors, x)


@pytest.mark.parametrize(
    ("samples", "size"),
    [(0, 128), (1, 128), (256, 128), (257, 129), (1000, 500), (2048, 512), (10**6, 512)],
)
def test_samples_of_a_part(samples, size):
    assert products.samples_of_part(samples) == size


@pytest.mark.parametrize("shape", [(3, 40, 2), (3, 5), (1, 4), (2, 0)])
def test_parts_are_added_up_in_their_order(shape):
    parts = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = parts[0].copy()
    for part in parts[1:]:
        expected += part
    np.testing.assert_array_equal(add_parts(parts), expected)


BITS = """
import hashlib
import numpy as np
import lowprec as lp
import lowprec.kernels.cpu.launch
from lowprec.device import get_device
from lowprec.kernels.cpu import mlp_backward, mlp_forward, samples_of_part, weighted_sum
from lowprec.workspace import Allocator
lowprec.kernels.cpu.launch.NUMBERS_PER_THREAD = 1

digest, rng = hashlib.sha256(), np.random.default_rng(0)
memory = Allocator(get_device("cpu"))
for samples, inputs, outputs in (
    (2000, 13, 512), (2100, 367, 1), (2100, 367, 64), (500, 100, 367), (70, 100, 100)
):
    x, *arrays = (
        rng.normal(size=size).astype(np.float32)
        for size in ((samples, inputs), (inputs, 50), 50, (50, outputs), outputs)
    )
    layers, size = list(zip(arrays[::2], arrays[1::2])), samples_of_part(samples)
    found = mlp_forward(x, layers, True, size, memory, "mlp")
    dx, gradients = mlp_backward(
        found[-1].copy(), found, layers, True, True, size, False, memory, "mlp"
    )
    total = np.empty(inputs, np.float32)
    weighted_sum(x, found[-1][:, 0].copy(), total)
    for array in (*found, dx, *(each for pair in gradients for each in pair), total):
        digest.update(array.tobytes())
print(digest.hexdigest())
"""


def test_bits_do_not_depend_on_threads():
    found = {
        children.run("-c", BITS, NUMBA_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=of_blas).stdout
        for threads, of_blas in (("1", "1"), ("2", "1"), ("1", "2"), ("3", "2"))
    }
    assert len(found) == 1


@pytest.fixture
def pools():
    blas.gemm("f")
    if not blas._pools():
        pytest.skip("there is no OpenBLAS here")
    return [get for get, _ in blas._pools()]


def test_one_thread_of_blas(pools):
    before = [get() for get in pools]
    with blas.one_thread:
        assert [get() for get in pools] == [1] * len(pools)
        with blas.one_thread:
            pass
        assert [get() for get in pools] == [1] * len(pools)
    assert [get() for get in pools] == before
    with pytest.raises(KeyError), blas.one_thread:
        raise KeyError
    assert [get() for get in pools] == before


def test_one_thread_of_blas_side_by_side(pools):
    """The last one out restores what was before the first one came."""
    for _, set_to in blas._pools():
        set_to(2)
    inside, leave = threading.Event(), threading.Event()

    def other():
        with blas.one_thread:
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(60)
    with blas.one_thread:
        leave.set()
        thread.join()
        assert [get() for get in pools] == [1] * len(pools)
    assert [get() for get in pools] == [2] * len(pools)
    for _, set_to in blas._pools():
        set_to(os.cpu_count())


def test_the_wheels_folders_where_no_system_tells(monkeypatch, tmp_path):
    """Windows and macOS have no /proc; SciPy's wheels there bring OpenBLAS in these folders."""
    package = tmp_path / "scipy"
    for folder in (package / ".dylibs", tmp_path / "scipy.libs"):
        folder.mkdir(parents=True)
        (folder / "libscipy_openblas.1").touch()
        (folder / "libother.1").touch()
    monkeypatch.setattr("scipy.__file__", str(package / "__init__.py"))
    monkeypatch.setattr(blas, "_MAPS", tmp_path / "none")
    assert blas._loaded() == sorted(str(path) for path in tmp_path.rglob("*openblas*"))
