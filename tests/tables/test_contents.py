"""Reading and writing rows, other formats, pretrained weights, frozen tables and padding."""

import ml_dtypes
import numpy as np
import pytest

import lowprec as lp
from tests import naive
from tests.devices import host
from tests.tables.small import DTYPES, bits, make_table

SIZES = (5, 3, 4)
ROWS = sum(SIZES)


# --- read ---


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [1, 3, 16, 33])
def test_read_is_the_weight(dtype, dim):
    table = make_table(SIZES, dim, dtype=dtype)
    rows = np.array([11, 0, 0, 7])
    for given in (rows, rows.tolist(), rows.astype(np.uint8), rows.astype(np.int32)):
        found = host(table.read(given))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, host(table.weight)[rows].astype(np.float32))
    assert table.read([]).shape == (0, dim)
    assert table.step == 0


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([0, 12], IndexError, r"rows\[1\] = 12 is out of range for a table of 12 rows"),
        ([-1], IndexError, r"rows\[0\] = -1 is out of range"),
        ([1.0], TypeError, "rows must be integers, got float64"),
        ([[1]], ValueError, r"rows must be 1-D, got shape \(1, 1\)"),
        (["a"], TypeError, "rows must be integers"),
    ],
)
def test_bad_rows(rows, error, message):
    table = make_table(SIZES)
    before = bits(table.weight)
    with pytest.raises(error, match=message):
        table.read(rows)
    with pytest.raises(error, match=message):
        table.write(rows, np.zeros((len(rows), 3)))
    assert bits(table.weight) == before


# --- write ---


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [1, 3, 19])
def test_write_is_the_oracle(dtype, rounding, dim):
    table = make_table(SIZES, dim, dtype=dtype, seed=7)
    table.update(np.zeros((1, 3), int), np.zeros((1, 3, dim), np.float32))
    rng = np.random.default_rng(dim)
    rows = np.array([4, 11, 4, 0])
    values = (rng.normal(size=(4, dim)) * 10.0 ** rng.uniform(-4, 1, (4, dim))).astype(np.float32)
    expected = host(table.weight).copy()
    for row, of_row in zip(rows, values, strict=True):
        key = naive.row_key(7, 3, 1, int(row))
        for c, value in enumerate(of_row):
            expected[row, c] = naive.store(value, key, c, dtype, rounding)
    saturated = table.write(rows, values, rounding)
    assert bits(host(table.weight)) == bits(expected)
    most = np.inf if dtype == "float32" else float(naive.FORMATS[dtype][4])
    assert saturated == (np.abs(values[1:]) > most).sum()  # the first row 4 is not stored
    assert table.step == 1


def test_write_counts_what_saturates():
    table = make_table(SIZES, 3)
    values = [[65504.0, 65505.0, -1e300], [np.inf, np.nan, 1.0]]
    assert table.write([1, 2], values) == 2
    np.testing.assert_array_equal(
        host(table.read([1, 2])), np.float32([[65504, 65504, -65504], [np.inf, np.nan, 1]])
    )
    assert make_table(SIZES, 1, dtype="float32").write([1], [[-1e300]]) == 1


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != "float32"])
def test_float64_is_rounded_once(dtype):
    fmt = naive.FORMATS[dtype]
    half = 2.0 ** -(fmt[3] + 1)  # half a distance of numbers from 1 on
    tiny = 2.0**-40
    table = make_table(SIZES, 4, dtype=dtype)
    table.write([0], [[1 + half + tiny, 1 + half, 1 + half - tiny, 1 + 3 * half - tiny]])
    expected = [[1 + 2 * half, 1.0, 1.0, 1 + 2 * half]]
    np.testing.assert_array_equal(host(table.read([0])), np.float32(expected))


def test_write_takes_ordinary_numbers():
    table = make_table(SIZES, 2)
    for values in ([[1, 2]], np.array([[1, 2]], np.int8), np.array([[1, 2]], ml_dtypes.bfloat16)):
        table.write([3], values)
        np.testing.assert_array_equal(host(table.read([3])), [[1, 2]])
    assert table.write([], np.zeros((0, 2))) == 0
    assert table.write([], []) == 0
    kept = host(table.weight)[1:3].astype(np.float32)
    table.write([0, 1], table.weight[1:3])  # of its own memory
    np.testing.assert_array_equal(host(table.read([0, 1])), kept)


@pytest.mark.parametrize(
    ("values", "more", "error", "message"),
    [
        (np.zeros((2, 2)), {}, ValueError, r"values must have shape \(1, 3\), got \(2, 2\)"),
        ([["a", "b", "c"]], {}, TypeError, "values must be real numbers, got <U1"),
        (np.zeros((1, 3), complex), {}, TypeError, "values must be real numbers"),
        (np.zeros((1, 3)), {"rounding": "up"}, ValueError, "rounding must be one of"),
    ],
)
def test_bad_values(values, more, error, message):
    table = make_table(SIZES)
    before = bits(table.weight)
    with pytest.raises(error, match=message):
        table.write([0], values, **more)
    assert bits(table.weight) == before


# --- astype and init ---


@pytest.mark.parametrize("dtype", DTYPES)
def test_astype_and_init(dtype):
    table = make_table(SIZES, 5, dtype="float32", optimizer=lp.SGD(0.5), seed=3)
    table.update(np.zeros((1, 3), int), np.ones((1, 3, 5), np.float32))
    full = host(table.weight).copy()
    twin = table.astype(dtype)
    assert (twin.dtype.name, twin.step, twin.seed, twin.optimizer) == (dtype, 1, 3, lp.SGD(0.5))
    assert bits(host(table.weight)) == bits(full)
    expected = full if dtype == "float32" else lp.nearest_round(full, dtype, device="cpu")
    assert bits(host(twin.weight)) == bits(host(expected))
    made = lp.EmbeddingTable(SIZES, 5, dtype, init=full)
    assert bits(host(made.weight)) == bits(host(twin.weight))
    random = host(table.astype(dtype, "stochastic").weight)
    written = lp.EmbeddingTable(SIZES, 5, dtype, seed=3)
    written.update(np.zeros((1, 3), int), np.zeros((1, 3, 5), np.float32))
    written.write(np.arange(ROWS), full, "stochastic")
    assert bits(random) == bits(host(written.weight))


def test_bad_init():
    with pytest.raises(ValueError, match=r"init must have shape \(12, 3\), got \(12, 4\)"):
        lp.EmbeddingTable(SIZES, 3, init=np.zeros((12, 4)))
    with pytest.raises(ValueError, match="leave out init_range"):
        lp.EmbeddingTable(SIZES, 3, init=np.zeros((12, 3)), init_range=0.1)
    with pytest.raises(ValueError, match="dtype must be one of"):
        make_table(SIZES).astype("float64")


# --- trainable ---


def test_a_frozen_table_counts_steps(tmp_path):
    table = make_table(SIZES)
    before = bits(table.weight)
    table.trainable = False
    table.update(np.zeros((1, 3), int), np.ones((1, 3, 3), np.float32))
    assert (bits(table.weight), table.step) == (before, 1)
    with pytest.raises(ValueError, match="grad must have the shape"):
        table.update(np.zeros((1, 3), int), np.ones((1, 3, 4), np.float32))
    table.save(tmp_path / "t.safetensors")
    again = lp.EmbeddingTable.load(tmp_path / "t.safetensors")
    assert not again.trainable
    assert not table.to("cpu").trainable
    again.trainable = True
    again.update(np.zeros((1, 3), int), np.ones((1, 3, 3), np.float32))
    assert bits(again.weight) != before
    with pytest.raises(TypeError, match="trainable must be True or False"):
        table.trainable = "no"


# --- padding ---


def without_padding(ids, weights):
    """The same bags with offsets, and what is not padding alone."""
    flat, factors = ids.reshape(-1), weights.reshape(-1)
    offsets = np.concatenate([[0], np.cumsum(flat >= 0)])
    return flat[flat >= 0], offsets, factors[flat >= 0]


@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("across_features", [False, True])
def test_padding_reads_as_zeros_and_is_not_updated(pooling, across_features):
    rng = np.random.default_rng(2)
    ids = rng.integers(0, SIZES, (9, 3))
    ids[rng.random(ids.shape) < 0.4] = -1
    ids[4] = [-1, -7, -1]
    weights = rng.normal(size=ids.shape).astype(np.float32)
    padded, plain = (make_table(SIZES, padding_idx=pad) for pad in (-1, None))
    how = {"pooling": pooling, "across_features": across_features}
    flat, offsets, factors = without_padding(ids, weights)
    out = host(padded.lookup(ids, per_sample_weights=weights, **how))
    expected = host(plain.lookup(flat, offsets, per_sample_weights=factors, **how))
    assert bits(out) == bits(expected)
    assert not out[4].any()
    if not across_features and pooling == "sum":
        np.testing.assert_array_equal(
            host(padded.lookup(ids)), np.where(
                (ids >= 0)[..., None], host(plain.lookup(np.maximum(ids, 0))), np.float32(0)
            )
        )  # fmt: skip
    grad = rng.normal(size=out.shape).astype(np.float32)
    padded.update(ids, grad, per_sample_weights=weights, **how)
    plain.update(flat, grad, offsets, per_sample_weights=factors, **how)
    assert bits(host(padded.weight)) == bits(host(plain.weight))


def test_padding_in_bags():
    padded = make_table(4, 3, padding_idx=-1)
    out = host(padded.lookup([2, -1, 3, -1], [0, 3, 4, 4], "mean"))
    mean = (host(padded.read([2])) + host(padded.read([3]))) / 2
    np.testing.assert_array_equal(out, np.concatenate([mean, np.zeros((2, 3))]).astype(np.float32))
    batch = padded.batch([2, -1, 3, -1], [0, 3, 4, 4])
    padded.update(batch, np.ones((3, 3), np.float32))


def test_padding_has_to_be_asked_for(tmp_path):
    ids = np.array([[0, -1, 0]])
    with pytest.raises(IndexError, match=r"indices\[0, 1\] = -1 is out of range for feature 1"):
        make_table(SIZES).lookup(ids)
    padded = make_table(SIZES, padding_idx=-1)
    with pytest.raises(IndexError, match=r"indices\[1, 2\] = 4 is out of range for feature 2"):
        padded.lookup(np.array([[0, -1, 0], [-1, 0, 4]]))
    with pytest.raises(ValueError, match="padding_idx must be None or -1, got 0"):
        make_table(SIZES, padding_idx=0)
    padded.save(tmp_path / "t.safetensors")
    assert lp.EmbeddingTable.load(tmp_path / "t.safetensors").padding_idx == -1
    lp.EmbeddingTable(4, 2, padding_idx=np.int64(-1), path=tmp_path / "t.table").close()
    with lp.EmbeddingTable(4, 2, padding_idx=-1, path=tmp_path / "t.table") as again:
        assert type(again.padding_idx) is int
    assert not host(padded.lookup(np.full((2, 3), -1))).any()
