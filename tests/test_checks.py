"""What is like an array: the columns and frames of pandas, which need not be installed."""

from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

import lowprec as lp
from lowprec.checks import as_array

NA = object()


def nullable(name):
    """What the dtype ``Int64`` of pandas says of itself."""
    return SimpleNamespace(numpy_dtype=np.dtype(name))


class Series:
    """A column as pandas has it, in what it is asked for: its array has objects."""

    def __init__(self, entries, dtype):
        self.array = np.array(entries, object)
        self.dtype = self.dtypes = dtype

    def __array__(self, dtype=None, copy=None):
        return self.array

    def isna(self):
        return np.array([each is NA for each in self.array.flat]).reshape(self.array.shape)


class Frame(Series):
    """Columns of several dtypes."""

    def __init__(self, entries, *dtypes):
        super().__init__(entries, None)
        del self.dtype
        self.dtypes = list(dtypes)


@pytest.mark.parametrize("name", ["bool", "int8", "uint8", "int32", "int64", "float32", "float64"])
def test_columns_that_can_hold_na(name):
    got = as_array("y", Series([0, 1, 1], nullable(name)))
    assert got.dtype == name
    assert got.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ([nullable("int64"), nullable("int64")], "int64"),
        ([nullable("int32"), nullable("int64")], "int64"),
        ([nullable("float32"), np.dtype("float32")], "float32"),
        ([np.dtype("bool"), np.dtype("int64")], "int64"),
        ([nullable("int64"), np.dtype("float32")], "float64"),
    ],
)
def test_frames_of_several_dtypes(dtypes, expected):
    got = as_array("indices", Frame([[1, 2], [3, 4], [5, 6]], *dtypes))
    assert got.dtype == expected
    assert got.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        (Series([0, NA, 1, NA], nullable("int64")), r"\[1\]"),
        (Series([NA], nullable("bool")), r"\[0\]"),
        (Frame([[1, 2], [3, NA]], nullable("float32"), np.dtype("float32")), r"\[1, 1\]"),
    ],
)
def test_missing_entries_are_named(values, place):
    with pytest.raises(TypeError, match=rf"^y{place} is missing \(NA\); fill it first"):
        as_array("y", values)


@pytest.mark.parametrize(
    "values",
    [
        Series(["a", "b"], SimpleNamespace()),
        Series([1, 2], np.dtype(object)),
        Frame([[1, "a"]], nullable("int64"), np.dtype(object)),
        np.array([1, 2], object),
        [1, None],
    ],
)
def test_other_objects_stay_objects(values):
    assert as_array("y", values).dtype == object


def test_a_model_of_nullable_columns():
    dense, indices, y = np.ones((4, 1), np.float32), np.array([[1, 2], [0, 1]] * 2), [0, 1, 1, 0]
    of_int64, of_float32 = nullable("int64"), nullable("float32")
    X = (Frame(dense, of_float32), Frame(indices, of_int64, of_int64))
    labels = Series(y, of_int64)
    expected = lp.LogisticRegression([3, 3]).fit((dense, indices), y)
    expected = expected.predict_proba((dense, indices))
    p = lp.LogisticRegression([3, 3]).fit(X, labels).predict_proba(X)
    np.testing.assert_array_equal(p, expected)
    scores = Series(p[:, 1], nullable("float64"))
    assert lp.metrics.log_loss(labels, scores) == lp.metrics.log_loss(y, p[:, 1])
    table = lp.EmbeddingTable([3, 3], 2)
    np.testing.assert_array_equal(table.lookup(X[1]), table.lookup(indices))


def test_columns_of_pandas():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})
    for dtype in ("Int64", "Int32", "Float32", "UInt8", "int64[pyarrow]", "float[pyarrow]"):
        columns = frame.astype(dtype)
        expected = columns["a"].dtype.numpy_dtype
        for values in (columns, columns["a"], columns["a"].array):
            got = as_array("indices", values)
            assert got.dtype == expected
            assert got.tolist() == np.asarray(values, expected).tolist()
    flags = pd.DataFrame({"a": [1, 2], "b": [True, False]})
    assert as_array("indices", flags).tolist() == [[1, 1], [2, 0]]
    missing = pd.DataFrame({"a": [1, None], "b": [3, 4]}, dtype="Int64")
    with pytest.raises(TypeError, match=r"indices\[1, 0\] is missing \(NA\)"):
        as_array("indices", missing)
    with pytest.raises(TypeError, match="indices must be integers, got object"):
        lp.EmbeddingTable(3, 2).lookup(pd.Series(["a", "b"]))


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float4_e2m1fn", "int2", "uint4"])
def test_labels_in_dtypes_of_ml_dtypes(dtype):
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[5, 4], seed=0)
    model, same = (lp.LogisticRegression([5, 4], batch_size=20) for _ in range(2))
    small = y.astype(getattr(ml_dtypes, dtype))
    np.testing.assert_array_equal(model.fit(X, small).table_.weight, same.fit(X, y).table_.weight)
