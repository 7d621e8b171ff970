"""Matrix products against NumPy's in float64; their bits whatever the threads, of BLAS too."""

import os
import threading

import numpy as np
import pytest

from lowprec.kernels.cpu import (
    add_parts,
    blas,
    matmul,
    matmul_transposed,
    products,
    weight_gradient,
    weight_gradients,
)
from tests import children

PART = products._MOST
SHAPES = [
    (samples, inputs, outputs)
    for samples in (0, 1, 128, 129, 258, PART + 1, 4 * PART + 5)
    for inputs, outputs in ((0, 1), (0, 4), (1, 1), (3, 1), (1, 5), (13, 16), (40, 33))
]


def check(found, left, right):
    """To the error bound of a sum in any order."""
    eps = np.finfo(found.dtype).eps
    left, right = left.astype(np.float64), right.astype(np.float64)
    bound = (left.shape[1] + 2) * eps * (np.abs(left) @ np.abs(right))
    assert (np.abs(found - left @ right) <= bound).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_products(shape, dtype):
    samples, inputs, outputs = shape
    rng = np.random.default_rng(sum(shape))
    x, weight, dy = (
        rng.normal(size=size).astype(dtype)
        for size in ((samples, inputs), (inputs, outputs), (samples, outputs))
    )
    out, dx = np.full((samples, outputs), np.nan, dtype), np.full((samples, inputs), np.nan, dtype)
    matmul(x, weight, out)
    check(out, x, weight)
    matmul_transposed(dy, weight, dx)
    check(dx, dy, weight.T)
    gradient = weight_gradient(x, dy)
    assert gradient.shape == (inputs, outputs)
    assert gradient.dtype == dtype
    check(gradient, x.T, dy)


@pytest.mark.parametrize(
    ("samples", "size"),
    [(0, 128), (1, 128), (256, 128), (257, 129), (1000, 500), (2048, 512), (10**6, 512)],
)
def test_samples_of_a_part(samples, size):
    assert products.samples_of_part(samples) == size


@pytest.mark.parametrize("outputs", [1, 16])
@pytest.mark.parametrize("samples", [300, 1300])
def test_parts_by_themselves(samples, outputs):
    """Whoever has which parts of a batch: their products have the same bits."""
    rng = np.random.default_rng(samples)
    x, weight, dy = (
        rng.normal(size=size).astype(np.float32)
        for size in ((samples, 40), (40, outputs), (samples, outputs))
    )
    size = products.samples_of_part(samples)
    out, dx = np.empty_like(dy), np.empty_like(x)
    matmul(x, weight, out)
    matmul_transposed(dy, weight, dx)
    parts = weight_gradients(x, dy, size)
    assert len(parts) == -(-samples // size)
    for first, last in ((0, size), (size, samples)):
        own, rows = slice(first, last), last - first
        some, dsome = np.empty((rows, outputs), np.float32), np.empty((rows, 40), np.float32)
        matmul(x[own], weight, some, size)
        matmul_transposed(dy[own], weight, dsome, size)
        np.testing.assert_array_equal(some, out[own])
        np.testing.assert_array_equal(dsome, dx[own])
        of_own = weight_gradients(x[own], dy[own], size)
        np.testing.assert_array_equal(of_own, parts[first // size :][: len(of_own)])
    check(add_parts(parts), x.T, dy)
    if outputs > 1 or size == PART:
        np.testing.assert_array_equal(add_parts(parts), weight_gradient(x, dy))
    expected = parts[0].copy()
    for part in parts[1:]:
        expected += part
    np.testing.assert_array_equal(add_parts(parts), expected)


def test_arrays_with_gaps():
    rng = np.random.default_rng(0)
    x, weight, dy = (rng.normal(size=(30, 2 * n))[:, ::2] for n in (20, 6, 6))
    weight = weight[:20]
    for outputs in (6, 1):
        out, dx = np.empty((30, outputs)), np.empty((30, 20))
        matmul(x, weight[:, :outputs], out)
        check(out, x, weight[:, :outputs])
        matmul_transposed(dy[:, :outputs], weight[:, :outputs], dx)
        check(dx, dy[:, :outputs], weight[:, :outputs].T)
        check(weight_gradient(x, dy[:, :outputs]), x.T, dy[:, :outputs])


BITS = """
import hashlib
import numpy as np
import lowprec as lp
import lowprec.kernels.cpu.launch
from lowprec.kernels.cpu import matmul, matmul_transposed, weight_gradient
lowprec.kernels.cpu.launch.NUMBERS_PER_THREAD = 1

digest, rng = hashlib.sha256(), np.random.default_rng(0)
for samples, inputs, outputs in (
    (2000, 13, 512), (2100, 367, 1), (2100, 367, 64), (500, 100, 367), (70, 100, 100)
):
    x, weight, dy = (
        rng.normal(size=size).astype(np.float32)
        for size in ((samples, inputs), (inputs, outputs), (samples, outputs))
    )
    out, dx = np.empty_like(dy), np.empty_like(x)
    matmul(x, weight, out)
    matmul_transposed(dy, weight, dx)
    for array in (out, dx, weight_gradient(x, dy)):
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
