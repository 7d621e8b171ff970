"""EmbeddingTable against the oracle, bit for bit."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lowprec as lp
from tests import naive
from tests.tables.small import DTYPES, bits, gradient, jagged, make_table


@pytest.fixture(params=[1, 2])
def threads(request, monkeypatch):
    """Runs a test with one and with two threads, however small its batches."""
    monkeypatch.setattr("lowprec.kernels.cpu.launch.NUMBERS_PER_THREAD", 1)
    before = numba.get_num_threads()
    if request.param > numba.config.NUMBA_NUM_THREADS:
        pytest.skip("this machine has one thread")
    numba.set_num_threads(request.param)
    yield request.param
    numba.set_num_threads(before)


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("embedding_dim", [1, 3, 51])
def test_update_equals_oracle_one_id_a_bag(dtype, rounding, embedding_dim, threads):
    optimizer = lp.SGD(learning_rate=0.3)
    table = make_table(
        embedding_dim=embedding_dim, dtype=dtype, rounding=rounding, optimizer=optimizer, seed=9
    )
    rng = np.random.default_rng(0)
    for _ in range(2):
        indices = rng.integers(0, [5, 3, 4], (20, 3))
        grad = gradient(rng, (20, 3, embedding_dim))
        expected = naive.update(table, 0.3, indices, grad)
        table.update(indices, grad)
        assert bits(table.weight) == bits(expected)
    assert table.step == 2


@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_jagged_equals_oracle(dtype, weighted, pooling, threads):
    table = make_table(dtype=dtype, optimizer=lp.SGD(0.7), seed=2**64 - 1)
    rng = np.random.default_rng(1)
    for _ in range(3):
        indices, offsets = jagged(rng, 30, [5, 3, 4])
        weights = rng.normal(size=indices.size).astype(np.float32) if weighted else None
        batch = {"offsets": offsets, "pooling": pooling}
        out = table.lookup(indices, per_sample_weights=weights, **batch)
        assert bits(out) == bits(naive.lookup(table, indices, weights=weights, **batch))
        grad = gradient(rng, out.shape)
        expected = naive.update(table, 0.7, indices, grad, weights=weights, **batch)
        table.update(indices, grad, per_sample_weights=weights, **batch)
        assert bits(table.weight) == bits(expected)


@pytest.mark.parametrize("length", [127, 128, 129, 256, 257, 1000])
def test_long_runs_are_summed_in_pieces(length, threads):
    table = make_table(num_embeddings=4, embedding_dim=2, optimizer=lp.SGD(0.01))
    rng = np.random.default_rng(length)
    indices = rng.permutation(np.concatenate([np.full(length, 2), np.full(300, 1), [0]]))
    grad = gradient(rng, (indices.size, 2))
    expected = naive.update(table, 0.01, indices, grad)
    table.update(indices, grad)
    assert bits(table.weight) == bits(expected)


def test_weights_with_one_id_a_bag():
    table = make_table()
    rng = np.random.default_rng(4)
    indices = rng.integers(0, [5, 3, 4], (6, 3))
    weights = rng.normal(size=(6, 3)).astype(np.float32)
    out = table.lookup(indices, per_sample_weights=weights)
    assert bits(out) == bits(naive.lookup(table, indices, weights=weights))
    grad = gradient(rng, out.shape)
    expected = naive.update(table, 0.1, indices, grad, weights=weights)
    table.update(indices, grad, per_sample_weights=weights)
    assert bits(table.weight) == bits(expected)


@given(st.integers(0, 2**32), st.sampled_from(["float32", "float16"]))
def test_distinct_rows_in_any_order(seed, dtype):
    rng = np.random.default_rng(seed)
    indices = rng.permutation(50)[:20]
    grad = gradient(rng, (20, 4))
    order = rng.permutation(20)
    first = make_table(50, 4, dtype=dtype, seed=seed)
    second = make_table(50, 4, dtype=dtype, seed=seed)
    first.update(indices, grad)
    second.update(indices[order], grad[order])
    assert bits(first.weight) == bits(second.weight)


def test_large_batch_does_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr("lowprec.kernels.cpu.launch.NUMBERS_PER_THREAD", 1)
    results = []
    rng = np.random.default_rng(0)
    indices = np.minimum(rng.zipf(1.2, (5000, 3)) - 1, 999)
    grad = gradient(rng, (5000, 3, 16))
    before = numba.get_num_threads()
    for count in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(count)
        table = lp.EmbeddingTable([1000] * 3, 16, seed=5)
        table.update(indices, grad)
        results.append(bits(table.weight) + bits(table.lookup(indices)))
    numba.set_num_threads(before)
    assert len(set(results)) == 1


def test_a_batch_without_ids_is_a_step():
    table = make_table()
    before = bits(table.weight)
    table.update(np.empty((0, 3), np.int64), np.empty((0, 3, 3), np.float32))
    table.update(np.empty(0, np.int32), np.ones((1, 3, 3), np.float32), offsets=np.zeros(4, int))
    assert table.step == 2
    assert bits(table.weight) == before
    assert table.lookup(np.empty((0, 3), np.int64)).shape == (0, 3, 3)


def test_small_updates_vanish_with_nearest_and_not_with_stochastic():
    """256 steps of 2**-14 from 1.0: exactly 0.984375 in real arithmetic."""
    rows, dim = 1000, 64
    indices = np.arange(rows)
    grad = np.full((rows, dim), 2.0**-14, np.float32)
    means = {}
    for rounding in ("nearest", "stochastic"):
        table = lp.EmbeddingTable(rows, dim, rounding=rounding, optimizer=lp.SGD(1.0), seed=1)
        table.weight[:] = 1.0
        for _ in range(256):
            table.update(indices, grad)
        weights = table.weight.astype(np.float64)
        means[rounding] = weights.mean()
        spread = weights.std()
    assert means["nearest"] == 1.0
    standard_error = spread / np.sqrt(rows * dim)
    assert (
        abs(means["stochastic"] - 0.984375) < 4 * standard_error
    )  # false alarms: 6e-5, seed fixed
    assert 0 < spread < 0.02


def test_one_row_and_one_column():
    table = make_table(num_embeddings=1, embedding_dim=1, optimizer=lp.SGD(0.5))
    indices = np.zeros(7, np.int64)
    grad = gradient(np.random.default_rng(0), (7, 1))
    expected = naive.update(table, 0.5, indices, grad)
    table.update(indices, grad)
    assert bits(table.weight) == bits(expected)


def test_lookups_from_several_threads():
    table = lp.EmbeddingTable([5000] * 3, 16, seed=2)
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 5000, (4000, 3)) for _ in range(4)]
    expected = [bits(table.lookup(indices)) for indices in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = pool.map(lambda indices: bits(table.lookup(indices)), batches)
            assert list(found) == expected


def test_training_from_several_threads():
    """Each Python thread trains a table of its own; the bits are those of one after the other."""
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 5000, (3000, 3)) for _ in range(4)]
    grad = gradient(rng, (3000, 3, 16))

    def train(seed):
        table = lp.EmbeddingTable([5000] * 3, 16, seed=seed)
        for indices in batches:
            table.lookup(indices)
            table.update(indices, grad)
        return bits(table.weight)

    expected = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(train, range(4))) == expected


@pytest.mark.parametrize("dim", [1, 2, 16, 17])
def test_the_sign_of_a_sum_that_underflows(dim):
    """-2**-200 rounds to -0.0, times -1 is 0.0, plus -0.0 is 0.0; a sum of 0.0 would give -0.0."""
    table = lp.EmbeddingTable(3, dim, optimizer=lp.SGD(1.0))
    table.weight[:] = -0.0
    tiny = np.full((1, dim), -(2.0**-100), np.float32)
    table.update([1], tiny, per_sample_weights=np.array([2.0**-100], np.float32))
    assert bits(table.weight[0]) == b"\x00\x80" * dim  # -0.0, not touched
    assert bits(table.weight[1]) == b"\x00\x00" * dim


def test_ids_of_all_features_are_pooled_into_one_bag():
    rng = np.random.default_rng(6)
    for dim in (1, 3, 16):
        table, apart = make_table(embedding_dim=dim), make_table(embedding_dim=dim)
        indices = rng.integers(0, [5, 3, 4], (40, 3))
        out = table.lookup(indices, across_features=True)
        assert out.shape == (40, dim)
        np.testing.assert_allclose(out, table.lookup(indices).sum(axis=1), rtol=1e-5, atol=1e-6)
        grad = gradient(rng, (40, dim))
        table.update(indices, grad, across_features=True)
        apart.update(indices, np.repeat(grad[:, None], 3, axis=1))
        assert bits(table.weight) == bits(apart.weight)


def test_jagged_bags_of_all_features_are_one():
    rng = np.random.default_rng(7)
    offsets = np.array([0, 2, 2, 5, 6, 9, 9])  # two samples, three features
    indices = rng.integers(0, 3, 9)
    weights = rng.normal(size=9).astype(np.float32)
    for pooling in ("sum", "mean"):
        table, apart = make_table(), make_table()
        out = table.lookup(indices, offsets, pooling, weights, across_features=True)
        rows = table.weight.astype(np.float32)[
            indices + table.row_offsets[[0, 0, 2, 2, 2, 0, 1, 1, 1]]
        ]
        sums = np.array(
            [(rows * weights[:, None])[:5].sum(0), (rows * weights[:, None])[5:].sum(0)]
        )
        sizes = np.array([[5], [4]]) if pooling == "mean" else 1
        np.testing.assert_allclose(out, sums / sizes, rtol=1e-5, atol=1e-6)
        grad = gradient(rng, (2, 3))
        table.update(indices, grad, offsets, pooling, weights, across_features=True)
        apart.update(
            indices, np.repeat(grad / np.float32(sizes), 3, axis=0).reshape(2, 3, 3), offsets,
            "sum", weights,
        )  # fmt: skip
        np.testing.assert_allclose(
            table.weight.astype(float), apart.weight.astype(float), rtol=2e-3, atol=1e-6
        )


def test_repr_names_what_was_asked_for():
    text = repr(lp.EmbeddingTable(3, 2, seed=7))
    assert "dtype='float16'" in text
    assert "seed=7" in text
