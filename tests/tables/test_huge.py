"""Tables of more than 2**31 and 2**32 numbers, and of nearly 2**32 rows.

Most of them are sparse: memory that is asked for and never touched does not exist.
"""

import mmap
import os

import numpy as np
import pytest

import lowprec as lp
from lowprec.batches.features import MAX_ROWS
from tests import naive, naive_arrays

RATE = 0.5


def sparse_table(num_embeddings, embedding_dim, dtype, **kwargs):
    """A table of zeros of any size; only the pages that are touched take memory."""
    table = lp.EmbeddingTable.__new__(lp.EmbeddingTable)
    arguments = {"rounding": "stochastic", "optimizer": lp.SGD(RATE), "seed": 3, "device": "cpu"}
    table._configure(
        num_embeddings, embedding_dim, dtype, on_nonfinite="raise", **{**arguments, **kwargs}
    )
    rows, columns = table._shape
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
    try:
        memory = mmap.mmap(-1, rows * columns * table.dtype.itemsize, flags=flags)
    except OSError as error:
        pytest.skip(f"this system gives no memory that it has not: {error}")
    table._weight = np.frombuffer(memory, table.dtype).reshape(rows, columns)
    table._state = {}
    return table


def expected_row(table, row, weight, gradients):
    """A row after one update."""
    total = np.zeros(table.embedding_dim, np.float32)
    for gradient in gradients:
        total = naive_arrays.fma(np.float32(1.0), gradient, total)
    stepped = naive_arrays.fma(np.float32(-RATE), total, weight.astype(np.float32))
    key = naive.row_key(table.seed, 0, table.step, row)
    return naive_arrays.store(stepped, key, table.dtype.name, table.rounding)


SHAPES = [
    (2**32 - 1, 1, "float8_e5m2"),  # rows up to the last that there can be
    (2**32 - 1, 2, "float16"),
    (2**31 + 5, 16, "float16"),
    (2**26, 64, "float32"),  # 2**32 numbers
    (2**25 + 3, 300, "bfloat16"),  # 18 GiB, the columns left over too
    ([2**31, 2**30, 2**30 - 7], 17, "float8_e4m3fn"),
]


@pytest.mark.parametrize(("sizes", "dim", "dtype"), SHAPES)
def test_rows_far_beyond_32_bits(sizes, dim, dtype):
    table = sparse_table(sizes, dim, dtype)
    rows = table._features.num_rows
    starts = table.row_offsets[:-1]
    wrap = {-(-(2**power) // dim) for power in (31, 32, 33)}  # where row * dim passes 2**power
    wanted = [0, 1, rows - 1, rows - 2, *starts]
    wanted += [row + k for row in (*wrap, 2**31, 2**32 - 2**20) for k in (-1, 0, 1)]
    wanted = np.array(sorted({int(row) for row in wanted if 0 <= row < rows}))
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(wanted.size, dim)).astype(np.float32).astype(table.dtype)
    table.weight[wanted] = weights
    # bags of one row each, twice, of the feature that has it
    feature = np.searchsorted(table.row_offsets, wanted, side="right") - 1
    order = rng.permutation(np.tile(np.arange(wanted.size), 2))
    ids, features = (wanted - starts[feature])[order], len(starts)
    bags = np.arange(order.size) * features + feature[order]
    counts = np.zeros(order.size * features, np.int64)
    counts[bags] = 1
    offsets = np.concatenate([[0], np.cumsum(counts)])
    out = table.lookup(ids, offsets).reshape(-1, dim)
    assert out[bags].tobytes() == (weights.astype(np.float32) + np.float32(0.0))[order].tobytes()
    grad = rng.normal(size=(order.size * features, dim)).astype(np.float32)
    shape = (order.size, dim) if isinstance(sizes, int) else (order.size, features, dim)
    expected = [
        expected_row(table, int(row), weights[k], grad[bags[order == k]])
        for k, row in enumerate(wanted)
    ]
    beside = np.setdiff1d(np.clip(np.concatenate([wanted - 2, wanted + 2]), 0, rows - 1), wanted)
    table.update(ids, grad.reshape(shape), offsets)
    assert table.weight[wanted].tobytes() == np.array(expected).tobytes()
    assert not table.weight[beside].astype(np.float32).any()


def test_plain_ids_of_the_last_rows():
    """One id for each feature, the other way into the kernels."""
    table = sparse_table([2**31, 2**31 - 1], 3, "float16")
    ids = np.array([[2**31 - 1, 2**31 - 2], [0, 0], [2**31 - 1, 0]])
    rows = np.array([2**31 - 1, 2**32 - 2, 0, 2**31])
    weights = np.arange(12, dtype=np.float16).reshape(4, 3)
    table.weight[rows] = weights
    out = table.lookup(ids)
    assert out.reshape(6, 3).tobytes() == weights[[0, 1, 2, 3, 0, 3]].astype(np.float32).tobytes()
    grad = np.random.default_rng(0).normal(size=out.shape).astype(np.float32)
    flat = grad.reshape(6, 3)
    places = [flat[[0, 4]], flat[[1]], flat[[2]], flat[[3, 5]]]
    expected = [
        expected_row(table, int(row), weight, terms)
        for row, weight, terms in zip(rows, weights, places, strict=True)
    ]
    table.update(ids, grad)
    assert table.weight[rows].tobytes() == np.array(expected).tobytes()
    table.update(ids.astype(np.int64), grad)
    with pytest.raises(IndexError, match=r"indices\[0, 1\] = 2147483647 is out of range"):
        table.lookup(np.array([[0, 2**31 - 1]]))


def test_the_limit_of_rows():
    assert MAX_ROWS == 2**32 - 1
    with pytest.raises(ValueError, match="adds up to 4294967296 rows; at most 4294967295"):
        lp.EmbeddingTable([2**31, 2**31], 1)
    with pytest.raises(ValueError, match=r"embedding_dim must be in \[1, 268435457\)"):
        lp.EmbeddingTable(1, 2**28 + 1)


def available_bytes():
    import psutil

    return psutil.virtual_memory().available


def test_a_table_that_is_there(tmp_path):
    """4.3 GB of float16, all of them written: made, looked up, updated, saved and mapped."""
    if os.environ.get("LOWPREC_TEST_HUGE") != "1":
        pytest.skip("takes a minute and 6 GB of memory and disk: set LOWPREC_TEST_HUGE=1")
    if available_bytes() < 6e9:
        pytest.skip(f"there are {available_bytes() / 1e9:.1f} GB of memory, it needs 6")
    rows, dim = 2**27 + 3, 16
    table = lp.EmbeddingTable(rows, dim, seed=5, optimizer=lp.SGD(RATE))
    assert table.weight.size > 2**31
    wanted = np.array([0, 1, 2**26, 2**27 - 1, 2**27, rows - 2, rows - 1])
    scale = np.float32(rows**-0.5) * np.float32(2.0**-31)
    initial = np.array([
        [np.float32(np.int32(np.uint32(naive.word(naive.row_key(5, 2, 0, row), c)))) * scale
         for c in range(dim)] for row in wanted.tolist()
    ]).astype(np.float16)  # fmt: skip
    assert table.weight[wanted].tobytes() == initial.tobytes()
    assert table.lookup(wanted).tobytes() == initial.astype(np.float32).tobytes()
    grad = np.random.default_rng(0).normal(size=(wanted.size, dim)).astype(np.float32)
    expected = [
        expected_row(table, row, initial[k], grad[[k]]) for k, row in enumerate(wanted.tolist())
    ]
    table.update(wanted, grad)
    assert table.weight[wanted].tobytes() == np.array(expected).tobytes()
    path = tmp_path / "huge.safetensors"
    table.save(path)
    del table
    again = lp.load(path, mmap=True)
    assert again.weight[wanted].tobytes() == np.array(expected).tobytes()
    path.unlink()
