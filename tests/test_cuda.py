"""The CPU and the GPU (or its simulator) beside each other, and what is said where none is."""

import sys
import types

import numpy as np
import pytest

import lowprec as lp
import lowprec.cuda
from lowprec.device import CudaDevice
from lowprec.formats.entries import FORMATS
from tests.devices import host, with_gpu, without_gpu

DTYPES = ["float32", *(fmt.name for fmt in FORMATS)]
SIZES = [5, 40, 4]

pytestmark = pytest.mark.side_by_side


def pair(dim, **kwargs):
    kwargs = {"seed": 3, "optimizer": lp.SGD(0.3), **kwargs}
    return [lp.EmbeddingTable(SIZES, dim, device=name, **kwargs) for name in ("cpu", "cuda")]


def same(cpu, cuda):
    return np.asarray(cpu).tobytes() == host(cuda).tobytes()


def batches(samples, dim, seed=0):
    """Ids with rows that are hot, and their gradients."""
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, SIZES, (samples, 3))
    indices[rng.random(samples) < 0.7, 1] = 17
    scale = 10.0 ** rng.uniform(-5, 1, (samples, 3, dim))
    return indices, (rng.normal(size=scale.shape) * scale).astype(np.float32)


@with_gpu
@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("dim", [1, 10, 16, 40])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tables_have_the_same_bits(dtype, dim, rounding):
    cpu, cuda = pair(dim, dtype=dtype, rounding=rounding)
    assert same(cpu._weight, cuda._weight)
    for samples in (4, 500):
        indices, grad = batches(samples, dim)
        assert same(cpu.lookup(indices), cuda.lookup(indices))
        for table in (cpu, cuda):
            table.update(indices, grad)
        assert same(cpu._weight, cuda._weight)
        weights = np.random.default_rng(1).normal(size=indices.shape).astype(np.float32)
        for table in (cpu, cuda):
            table.update(indices, grad, per_sample_weights=weights)
        assert same(cpu._weight, cuda._weight)
        pooled = [table.lookup(indices, across_features=True) for table in (cpu, cuda)]
        assert same(*pooled)
        for table, out in zip((cpu, cuda), pooled, strict=True):
            table.update(indices, out, across_features=True)
        assert same(cpu._weight, cuda._weight)


@with_gpu
@pytest.mark.parametrize("columns", [4, 8])
def test_rows_are_read_in_blocks_of_either_size(columns, monkeypatch):
    from lowprec.kernels.cuda import wide

    monkeypatch.setattr(wide, "OF_FLOAT32", {4: wide.ByFour, 8: wide.ByEight}[columns])
    for dim in (4, 12, 16, 18):
        cpu, cuda = pair(dim, dtype="float16")
        split = wide.divide_float32(dim, cuda._weight)
        assert (split.block(), split.wide) == (columns, dim if dim % columns == 0 else 0)
        indices, _ = batches(20, dim)
        assert same(cpu.lookup(indices), cuda.lookup(indices))


@with_gpu
@pytest.mark.parametrize("max_numbers", [None, 100])
@pytest.mark.parametrize("dim", [1, 10, 16])
def test_reports_are_the_same(dim, max_numbers):
    cpu, cuda = pair(dim)
    indices, grad = batches(200, dim)
    weights = np.random.default_rng(1).normal(size=indices.shape).astype(np.float32)
    for more in ({}, {"per_sample_weights": weights}, {"across_features": True}):
        given = grad[:, 0] if "across_features" in more else grad
        reports = [
            table.diagnose(indices, given, **more, max_numbers=max_numbers) for table in (cpu, cuda)
        ]
        assert reports[0] == reports[1]
        assert reports[0].steps > 0
        for table in (cpu, cuda):
            table.update(indices, given, **more)
        assert same(cpu._weight, cuda._weight)


@with_gpu
@pytest.mark.parametrize("pooling", ["sum", "mean"])
def test_jagged_batches_have_the_same_bits(pooling):
    cpu, cuda = pair(16)
    rng = np.random.default_rng(2)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 5, 300))])
    features = np.repeat(np.arange(300) % 3, np.diff(offsets))
    indices = rng.integers(0, np.array(SIZES)[features])
    for _ in range(2):
        outs = [table.lookup(indices, offsets, pooling) for table in (cpu, cuda)]
        assert same(*outs)
        for table, out in zip((cpu, cuda), outs, strict=True):
            table.update(indices, out, offsets, pooling)
        assert same(cpu._weight, cuda._weight)


@with_gpu
@pytest.mark.parametrize("there", ["cpu", "cuda"])
def test_a_moved_table_goes_on_with_the_same_bits(there):
    back = "cuda" if there == "cpu" else "cpu"
    alone, moved = pair(16)[0], pair(16)[["cpu", "cuda"].index(there)]
    for step in range(6):
        if step == 3:
            before, moved = moved, moved.to(back)
            assert moved.device == back
            assert moved.step == before.step == 3
        indices, grad = batches(20, 16, seed=step)
        alone.update(indices, grad)
        moved.update(indices, grad)
    words = host(moved._weight)
    assert words.tobytes() == alone._weight.tobytes()
    assert before.step == 3  # the one it was copied from is as it was


@with_gpu
@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38, 1.5e37])  # the last: in all pieces of a row
def test_rows_that_are_not_finite_are_skipped_alike(bad):
    cpu, cuda = pair(16, on_nonfinite="skip")
    indices, grad = batches(300, 16)
    grad[::7, :, 3] = bad
    for table in (cpu, cuda):
        table.update(indices, grad)
        table.update(indices, grad)
    assert same(cpu._weight, cuda._weight)
    assert cpu.skipped_rows == cuda.skipped_rows > 0


@with_gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_rounding_has_the_same_bits(dtype):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=3001) * 10.0 ** rng.uniform(-45, 38, 3001)).astype(np.float32)
    x[:5] = [np.nan, np.inf, -np.inf, -0.0, 0.0]
    for start in (0, 1):  # one begins at 16 bytes, and one does not
        part = x[start:]
        for function, more in (
            (lp.stochastic_round, {"seed": 5}),
            (lp.nearest_round, {}),
            (lp.round_up_probability, {}),
        ):
            cpu = function(part, dtype, device="cpu", **more)
            cuda = host(function(part, dtype, device="cuda", **more))
            assert cpu.tobytes() == cuda.tobytes(), function.__name__


# --- where there is none ---


@without_gpu
@pytest.mark.parametrize("make", [lambda: lp.EmbeddingTable(3, 2, device="cuda")])
def test_without_a_gpu(make):
    with pytest.raises(RuntimeError, match=r"device='cuda' cannot be used: .*install"):
        make()
    with pytest.raises(RuntimeError, match="cannot be used"):
        lp.stochastic_round(np.zeros(3, np.float32), "float16", device="cuda")
    X, y, _ = lp.datasets.make_clicks(10, num_embeddings=[3], seed=0)
    with pytest.raises(RuntimeError, match="cannot be used"):
        lp.LogisticRegression([3], device="cuda").fit(X, y)
    with pytest.raises(RuntimeError, match="cannot be used"):
        lp.EmbeddingTable(3, 2, device="cpu").to("cuda")


@without_gpu
def test_without_numba_cuda(monkeypatch):
    monkeypatch.setattr("lowprec.cuda.cuda", None)
    monkeypatch.setattr("lowprec.cuda._import_error", "ImportError: no numba.cuda")
    reason = lowprec.cuda.why_unavailable()
    assert "ImportError: no numba.cuda" in reason
    assert 'pip install "lowprec[cuda13]"' in reason


class _Driver:
    """What `numba.cuda` says of a driver."""

    def __init__(self, devices, libraries=True):
        self._devices, self._libraries = devices, libraries

    @property
    def gpus(self):
        if isinstance(self._devices, Exception):
            raise self._devices
        return [None] * self._devices

    def is_available(self):
        return self._libraries


@without_gpu
def test_with_a_broken_driver(monkeypatch):
    from numba.cuda.cudadrv.error import CudaSupportError

    error = CudaSupportError("Error at driver init:\nCUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)")
    for driver, expected in (
        (_Driver(error), "driver init: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)"),
        (_Driver(0), "sees no GPU"),
        (_Driver(1, libraries=False), "not the CUDA libraries"),
    ):
        monkeypatch.setattr("lowprec.cuda.cuda", driver)
        assert expected in lowprec.cuda.why_unavailable()


@without_gpu
def test_without_cupy(monkeypatch):
    monkeypatch.setattr("lowprec.cuda.cuda", _Driver(1))
    monkeypatch.setitem(sys.modules, "cupy", None)
    reason = lowprec.cuda.why_unavailable()
    assert reason.startswith("CuPy cannot be imported")
    assert 'pip install "lowprec[cuda13]"' in reason


@without_gpu
def test_with_a_cupy_that_lacks_something(monkeypatch):
    """Its sort waits for the GPU, or a library is missing: of products, or of its own kernels."""
    monkeypatch.setattr("lowprec.cuda.cuda", _Driver(1))
    cupy = types.ModuleType("cupy")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs", None)
    for version, expected in (("13.6.0", "its sort waits"), ("14.2.0", "no cuBLAS")):
        cupy.__version__ = version
        assert expected in lowprec.cuda.why_unavailable()
    for name in ("cupy_backends", "cupy_backends.cuda"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    libs = types.ModuleType("cupy_backends.cuda.libs")
    libs.cublas = None
    monkeypatch.setitem(sys.modules, libs.__name__, libs)
    assert "no NVRTC" in lowprec.cuda.why_unavailable()

    def without_the_library():
        raise RuntimeError("libnvrtc.so cannot be loaded")

    libs.nvrtc = types.SimpleNamespace(getVersion=without_the_library)
    assert "libnvrtc.so cannot be loaded" in lowprec.cuda.why_unavailable()
    libs.nvrtc.getVersion = lambda: (13, 0)
    cupy.cuda = types.SimpleNamespace(
        runtime=types.SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=OSError)
    )
    assert lowprec.cuda.why_unavailable() == ""


@without_gpu
def test_overlapping_arrays_are_found_by_addresses():
    """PyTorch gives back a part of a table's weights as an allocation of its own."""
    device = object.__new__(CudaDevice)
    device.streams = "of CuPy"

    def array(begin, nbytes):
        return types.SimpleNamespace(data=types.SimpleNamespace(ptr=begin), nbytes=nbytes)

    weight = array(1000, 200)
    for begin, nbytes, shares in (
        (1000, 200, True), (1100, 8, True), (900, 101, True), (900, 100, False), (1200, 8, False),
    ):  # fmt: skip
        other = array(begin, nbytes)
        assert device.may_share_memory(weight, other) is shares
        assert device.may_share_memory(other, weight) is shares
