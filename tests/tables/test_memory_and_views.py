"""What a table takes of memory, its views, its first weights, and outputs in given arrays."""

import numpy as np
import pytest

import lowprec as lp
from tests.devices import on_the_host
from tests.tables.small import DTYPES, bits, gradient, make_table


def test_memory_of_float16_is_half():
    half, full = (lp.EmbeddingTable(100, 8, dtype=dtype) for dtype in ("float16", "float32"))
    assert half.nbytes * 2 == full.nbytes == 100 * 8 * 4
    assert half.optimizer_state == {}


def test_weight_is_a_writable_view():
    table = make_table()
    table.weight[:] = 2.0
    assert table.weight.dtype == np.float16
    assert np.shares_memory(table.weight, table.weight)
    assert (table.lookup(np.zeros((1, 3), int)) == 2.0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_initial_weights(dtype):
    table = lp.EmbeddingTable([10_000, 100], 8, dtype=dtype, seed=4)
    again = lp.EmbeddingTable([10_000, 100], 8, dtype=dtype, seed=4)
    other = lp.EmbeddingTable([10_000, 100], 8, dtype=dtype, seed=5)
    assert bits(table.weight) == bits(again.weight) != bits(other.weight)
    weights = table.weight.astype(np.float64)
    for start, stop, bound in ((0, 10_000, 0.01), (10_000, 10_100, 0.1)):
        part = weights[start:stop]
        if dtype == "float8_e3m4":  # whose numbers are 1/64 apart around 0
            assert np.isin(part, np.arange(-6, 7) / 64).all()
            continue
        assert np.abs(part).max() <= bound * 1.07  # rounding to nearest can move past the bound
        assert abs(part.std() / bound - 1 / np.sqrt(3)) < 0.03
        assert abs(part.mean()) < 5 * bound / np.sqrt(3 * part.size)


def test_initial_weights_are_those_of_float32_rounded_to_nearest():
    half, full = (lp.EmbeddingTable(50, 5, dtype=d, seed=1) for d in ("float16", "float32"))
    assert bits(half.weight) == bits(full.weight.astype(np.float16))
    assert not lp.EmbeddingTable(50, 5, init_range=0.0).weight.any()


def test_shapes():
    single, many = make_table(num_embeddings=5), make_table()
    assert single.lookup(np.array([1, 2])).shape == (2, 3)
    assert single.lookup(np.array([[1], [2]])).shape == (2, 1, 3)
    assert single.lookup(np.array([1, 2]), offsets=[0, 1, 1, 2]).shape == (3, 3)
    assert many.lookup(np.zeros((7, 3), np.int32)).shape == (7, 3, 3)
    assert many.lookup(np.array([1, 2]), offsets=np.array([0, 1, 1, 2])).shape == (1, 3, 3)


@on_the_host
def test_lookup_into_out():
    table = make_table()
    out = np.full((2, 3, 3), np.nan, np.float32)
    indices = np.array([[0, 0, 0], [4, 2, 3]])
    assert table.lookup(indices, out=out) is out
    assert bits(out) == bits(table.lookup(indices))


@on_the_host
@pytest.mark.parametrize("shift", [0, 4])
@pytest.mark.parametrize("dim", [16, 60, 64])
def test_an_output_larger_than_the_caches(dim, shift):
    """Large outputs are streamed where they are aligned, which shifts by one float undo."""
    size = (1 << 24) // 4 // dim + 5
    table = lp.EmbeddingTable(1000, dim, seed=1)
    indices = np.random.default_rng(0).integers(0, 1000, size)
    memory = np.full(size * dim * 4 + 64, 0xFF, np.uint8)
    start = -memory.ctypes.data % 16 + shift
    out = memory[start : start + size * dim * 4].view(np.float32).reshape(size, dim)
    table.lookup(indices, out=out)
    np.testing.assert_array_equal(out, table.weight[indices].astype(np.float32))
    assert (memory[:start] == 0xFF).all()
    assert (memory[start + out.nbytes :] == 0xFF).all()


@pytest.mark.parametrize("dtype", [np.int32, np.int64, ">i4", ">i8"])
def test_layouts_of_indices_and_gradients(dtype):
    reference, table = make_table(), make_table()
    rng = np.random.default_rng(0)
    indices = rng.integers(0, 3, (8, 3))
    grad = gradient(rng, (8, 3, 3))
    reference.update(indices, grad)
    strided = np.asfortranarray(indices.astype(dtype))
    strided.setflags(write=False)
    table.update(strided, np.asfortranarray(grad))
    assert bits(table.weight) == bits(reference.weight)
    assert bits(table.lookup(strided)) == bits(table.lookup(indices))
