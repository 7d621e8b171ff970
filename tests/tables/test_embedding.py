"""EmbeddingTable against the oracle, bit for bit, and what it promises."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lowprec as lp
from lowprec.formats.entries import FORMATS
from tests import naive
from tests.devices import on_the_host, without_gpu

DTYPES = ["float32", *(fmt.name for fmt in FORMATS)]


def bits(array):
    """An array as bytes, so that -0.0 differs from 0.0 and NaN equals itself."""
    return np.ascontiguousarray(array).tobytes()


def make_table(num_embeddings=(5, 3, 4), embedding_dim=3, scale=1.0, **kwargs):
    table = lp.EmbeddingTable(num_embeddings, embedding_dim, **kwargs)
    rng = np.random.default_rng(3)
    weight = rng.normal(size=table.weight.shape) * 10.0 ** rng.uniform(-6, 1, table.weight.shape)
    most = float(naive.FORMATS[table.dtype.name][4]) if table.dtype != np.float32 else np.inf
    table.weight[:] = np.clip(scale * weight, -most, most).astype(np.float32).astype(table.dtype)
    return table


def jagged(rng, bags, sizes, limit=3):
    """Ids of bags with up to `limit` ids each; `sizes[f]` rows for feature f = bag % features."""
    counts = rng.integers(0, limit + 1, bags)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    features = np.repeat(np.arange(bags) % len(sizes), counts)
    return rng.integers(0, np.asarray(sizes)[features]), offsets


def gradient(rng, shape):
    return (rng.normal(size=shape) * 10.0 ** rng.uniform(-5, 1, shape)).astype(np.float32)


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


BAD_BATCHES = [
    ([[0, 0, 0], [1, 3, 0]], {}, IndexError, r"indices\[1, 1\] = 3 .*feature 1.*num_embeddings 3"),
    ([[0, -1, 0]], {}, IndexError, r"indices\[0, 1\] = -1 .*feature 1"),
    ([[0, 2**40, 0]], {}, IndexError, r"= 1099511627776 is out of range"),
    ([0, 1, 4], {"offsets": [0, 1, 2, 3]}, None, None),
    ([0, 1, 5], {"offsets": [0, 1, 1, 3]}, IndexError, r"indices\[2\] = 5 .*feature 2"),
    ([0, 1], {"offsets": [0, 2, 1, 2]}, ValueError, r"offsets\[1\] = 2 and offsets\[2\] = 1"),
    ([0, 1], {"offsets": [0, 1, 1, 1]}, ValueError, r"end with len\(indices\) = 2"),
    ([0, 1], {"offsets": [1, 1, 1, 2]}, ValueError, r"start with 0, got offsets\[0\] = 1"),
    ([0, 1], {"offsets": [0, 1, 2]}, ValueError, r"not a multiple of the 3 features"),
    ([0, 1], {"offsets": []}, TypeError, "offsets must be integers"),
    ([0, 1], {"offsets": np.empty(0, int)}, ValueError, "one entry at least"),
    ([0, 1], {"offsets": [0.0, 1.0, 1.0, 2.0]}, TypeError, "offsets must be integers"),
    ([[0, 1, 2]], {"offsets": [0, 1, 2, 3]}, ValueError, "must be 1-D"),
    ([[0.0, 1.0, 2.0]], {}, TypeError, "indices must be integers, got float64"),
    ([[0, 1]], {}, ValueError, r"must have shape \(B, 3\), got \(1, 2\)"),
    ([0, 1, 2], {}, ValueError, r"must have shape \(B, 3\), got \(3,\)"),
    ([[True, False, True]], {}, TypeError, "got bool"),
    ([[0, 1, 2]], {"pooling": "max"}, ValueError, "pooling must be one of 'sum', 'mean'"),
    ([[0, 1, 2]], {"per_sample_weights": [["1", "1", "1"]]}, TypeError, "must hold numbers"),
    (
        [[0, 1, 2]],
        {"per_sample_weights": [[1.0, -1e39, 1.0]]},
        ValueError,
        r"\[0, 1\] = -1e\+39 is",
    ),
    (np.array([[0, 2**63, 1]], np.uint64), {}, IndexError, r"\[0, 1\] = 9223372036854775808 is"),
    (
        [[0, 1, 2]],
        {"per_sample_weights": np.ones(3, np.float32)},
        ValueError,
        r"shape of indices, \(1, 3\)",
    ),
    (
        [[0, 1, 2]],
        {"per_sample_weights": np.array([[1, np.nan, 1]], np.float32)},
        ValueError,
        r"per_sample_weights\[0, 1\] = nan is not finite",
    ),
]


@pytest.mark.parametrize(("indices", "batch", "error", "message"), BAD_BATCHES)
def test_bad_batches(indices, batch, error, message):
    table = make_table(num_embeddings=(5, 3, 5))
    before = bits(table.weight)
    shape = (1, 3, 3) if "offsets" in batch else (*np.shape(indices), 3)
    grad = np.ones(shape, np.float32)
    if error is None:
        table.lookup(np.array(indices), **batch)
        return
    for call in (
        lambda: table.lookup(indices, **batch),
        lambda: table.update(indices, grad, **batch),
    ):
        with pytest.raises(error, match=message):
            call()
    assert bits(table.weight) == before
    assert table.step == 0


@pytest.mark.parametrize(
    ("grad", "error", "message"),
    [
        (np.full((2, 3, 3), 4e38), ValueError, r"grad\[0, 0, 0\] = 4e\+38 is beyond float32"),
        (np.full((2, 3, 3), "1"), TypeError, "grad must hold numbers, got <U1"),
        (np.ones((2, 3, 2), np.float32), ValueError, r"\(2, 3, 3\), got \(2, 3, 2\)"),
        (np.ones(3, np.float32), ValueError, "shape of the lookup"),
    ],
)
def test_bad_gradients(grad, error, message):
    table = make_table()
    with pytest.raises(error, match=message):
        table.update(np.zeros((2, 3), int), grad)
    assert table.step == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nonfinite_gradient_raises_and_changes_nothing(value):
    table = make_table()
    before = bits(table.weight)
    grad = np.zeros((2, 3, 3), np.float32)
    grad[1, 2, 0] = value
    with pytest.raises(FloatingPointError, match="sample 1, feature 2, column 0 is"):
        table.update(np.zeros((2, 3), int), grad)
    assert bits(table.weight) == before
    assert table.step == 0


def test_gradients_that_overflow_when_summed_raise():
    table = make_table()
    before = bits(table.weight)
    indices = np.zeros((2, 3), int)
    with pytest.raises(FloatingPointError, match="3 rows overflow"):
        table.update(indices, np.full((2, 3, 3), 3e38, np.float32))
    assert bits(table.weight) == before
    table.update(np.array([[0, 0, 0]]), np.full((1, 3, 3), 3e38, np.float32))  # large, finite


def test_nonfinite_rows_are_skipped_and_counted():
    reference = make_table(on_nonfinite="skip")
    table = make_table(on_nonfinite="skip")
    indices = np.array([[0, 1, 2], [1, 1, 3], [2, 2, 3]])
    grad = np.ones((3, 3, 3), np.float32)
    reference.update(indices, grad)
    before = table.weight.copy()
    grad[1, 1, 2] = np.nan  # feature 1, id 1: global row 6, reached twice
    grad[2, 2, 0] = np.inf  # feature 2, id 3: global row 11, reached twice
    table.update(indices, grad)
    assert table.skipped_rows == 2
    assert table.step == 1
    untouched = np.zeros(12, bool)
    untouched[[6, 11]] = True
    assert bits(table.weight[untouched]) == bits(before[untouched])
    assert bits(table.weight[~untouched]) == bits(reference.weight[~untouched])


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"num_embeddings": 0}, ValueError, "num_embeddings must be at least 1, got 0"),
        ({"num_embeddings": [3, 0]}, ValueError, r"num_embeddings\[1\] must be at least 1"),
        ({"num_embeddings": []}, ValueError, "num_embeddings is empty"),
        ({"num_embeddings": 2.5}, TypeError, "num_embeddings must be an int"),
        ({"num_embeddings": 2**32}, ValueError, "at most 4294967295"),
        ({"embedding_dim": 0}, ValueError, r"embedding_dim must be in \[1, "),
        ({"dtype": "float64"}, ValueError, "dtype must be one of 'float16'"),
        ({"dtype": "nonsense"}, ValueError, "dtype must be one of"),
        ({"dtype": None}, ValueError, "dtype must be one of"),
        ({"rounding": "up"}, ValueError, "rounding must be one of 'stochastic', 'nearest'"),
        ({"seed": -1}, ValueError, r"seed must be in \[0, 18446744073709551616\)"),
        ({"seed": 2**64}, ValueError, "seed must be in"),
        ({"seed": 0.5}, TypeError, "seed must be an int"),
        ({"seed": True}, TypeError, "seed must be an int"),
        ({"optimizer": "sgd"}, TypeError, "optimizer must be an optimizer, such as lowprec.SGD"),
        ({"device": "tpu"}, ValueError, "device must be 'cpu' or 'cuda'"),
        pytest.param({"device": "cuda"}, RuntimeError, "device='cuda'", marks=without_gpu),
        ({"init_range": -1.0}, ValueError, "init_range must be finite"),
        ({"on_nonfinite": "ignore"}, ValueError, "on_nonfinite must be one of"),
    ],
)
def test_bad_arguments(kwargs, error, message):
    with pytest.raises(error, match=message):
        lp.EmbeddingTable(**{"num_embeddings": 3, "embedding_dim": 2, **kwargs})


@on_the_host
@pytest.mark.parametrize(
    ("out", "error"),
    [
        (np.empty((1, 3, 3)), TypeError),
        (np.empty((1, 3, 2), np.float32), ValueError),
        (np.empty((1, 3, 6), np.float32)[..., ::2], ValueError),
    ],
)
def test_bad_out(out, error):
    with pytest.raises(error, match="out must be"):
        make_table().lookup(np.zeros((1, 3), int), out=out)


def test_repr_names_what_was_asked_for():
    text = repr(lp.EmbeddingTable(3, 2, seed=7))
    assert "dtype='float16'" in text
    assert "seed=7" in text
