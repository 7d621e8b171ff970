"""The same bits on every kind of CPU and for any number of threads: digests, many processes."""

import json

import llvmlite.binding
import pytest

from tests.children import ANY_CPU, run

DIGESTS = """
import hashlib, json, sys
import numpy as np
import lowprec as lp
import lowprec.kernels.cpu.launch
lowprec.kernels.cpu.launch.NUMBERS_PER_THREAD = 1  # small batches use all threads too

found = {}
sgd, row_wise, adagrad = lp.SGD(0.3), lp.RowWiseAdagrad(0.3), lp.Adagrad(0.3)
DIMS = 3, 10, 16, 51, 64, 128, 300
TABLES = [
    ("float16", "nearest", sgd, (1, *DIMS)), ("float16", "stochastic", sgd, (1, *DIMS)),
    ("float16", "stochastic", row_wise, (1, *DIMS)), ("float8_e4m3fn", "stochastic", adagrad, DIMS),
    ("float32", "nearest", sgd, (1, *DIMS)), ("float8_e4m3fn", "stochastic", sgd, (1, *DIMS)),
]
tables = int(sys.argv[1])
for dtype, rounding, optimizer, dims in TABLES[:tables]:
    digest, rng = hashlib.sha256(), np.random.default_rng(0)
    for dim in dims:
        sizes = [40, 1000, 7]
        table = lp.EmbeddingTable(sizes, dim, dtype, rounding, optimizer, seed=dim)
        for _ in range(2):
            indices = rng.integers(0, sizes, (500, 3))
            out = table.lookup(indices)
            table.update(indices, rng.normal(size=out.shape).astype(np.float32))
            offsets = np.sort(rng.integers(0, 700, 31))
            offsets[0], offsets[-1] = 0, 700
            ids = rng.integers(0, 7, 700)
            weights = rng.normal(size=700).astype(np.float32)
            out = table.lookup(ids, offsets, "mean", weights)
            grad = rng.normal(scale=10.0, size=out.shape).astype(np.float32)
            table.update(ids, grad, offsets, "mean", weights)
            digest.update(out.tobytes())
        digest.update(table.weight.tobytes())
        for state in table.optimizer_state.values():
            digest.update(state.tobytes())
        digest.update(table.lookup(indices, across_features=True).tobytes())
    found[f"{dtype}, {rounding}, {optimizer}"] = digest.hexdigest()
rng = np.random.default_rng(0)
x = (rng.normal(size=5000) * 2.0 ** rng.integers(-40, 40, 5000)).astype(np.float32)
for dtype in ("float16", "float8_e5m2") if tables == len(TABLES) else ("float16",):
    digest = hashlib.sha256()
    digest.update(lp.stochastic_round(x, dtype, seed=1).tobytes())
    digest.update(lp.nearest_round(x, dtype).tobytes())
    digest.update(lp.round_up_probability(x, dtype).tobytes())
    found[dtype] = digest.hexdigest()
print(json.dumps(found))
"""
AVX2 = "+avx2,+avx,+fma,+f16c,+bmi,+bmi2,+lzcnt,+movbe,+popcnt,+sse4.2"
TARGETS = {
    "this CPU, 1 thread": {"NUMBA_NUM_THREADS": "1"},
    "this CPU, 2 threads": {"NUMBA_NUM_THREADS": "2"},
    "this CPU, 8 threads": {"NUMBA_NUM_THREADS": "8"},
    "with AVX2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": AVX2},
    "without AVX, FMA and F16C": ANY_CPU,
}
# how many tables there are: fewer where all kernels have to be compiled
TABLES = {"with AVX2": 3, "without AVX, FMA and F16C": 4}


def digests_of(target):
    tables = TABLES.get(target, 6)
    found = json.loads(run("-c", DIGESTS, tables, **TARGETS[target]).stdout)
    assert len(found) == tables + (2 if tables == 6 else 1)
    return found


@pytest.fixture(scope="module")
def expected():
    return digests_of("this CPU, 2 threads")


@pytest.mark.parametrize("target", [name for name in TARGETS if "2 threads" not in name])
def test_bits_are_those_of_two_threads_on_this_cpu(target, expected):
    features = llvmlite.binding.get_host_cpu_features()
    if "AVX" in target and not features.get("sse4.2"):
        pytest.skip("this is no x86-64 CPU")
    if target == "with AVX2" and not all(features.get(name) for name in ("avx2", "fma", "f16c")):
        pytest.skip("this CPU has no AVX2, FMA and F16C")
    assert digests_of(target).items() <= expected.items()
