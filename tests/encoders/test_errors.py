"""What is wrong is named, and the encoder is as it was."""

import sys
from unittest import mock

import numpy as np
import pytest

import lowprec as lp

pa = pytest.importorskip("pyarrow", reason="comes with the extra `data`")

from tests.encoders.libraries import bits  # noqa: E402

GOOD = pa.table({"city": ["Rome", None], "age": [1, 2], "tags": [["a"], []]})
STRUCTS = pa.table({"x": [{"a": 1}]})


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"categorical": "city"}, TypeError, "categorical must be a list of names"),
        ({"categorical": [3]}, TypeError, r"categorical\[0\] must be the name of a column, got 3"),
        ({"multi": ["tags", "tags"]}, ValueError, r"multi\[1\] = 'tags' is there twice"),
        ({"categorical": ["age"], "numerical": ["age"]}, ValueError, "'age' is named in categor"),
        ({"numerical": ["age", "b", "c"]}, ValueError, "no column 'b', 'c', named in numerical"),
        ({"numerical": ["city"]}, TypeError, "'city' is numerical; it holds string"),
        ({"multi": ["city"]}, TypeError, "'city' is multi, which takes lists; it holds string"),
        ({"categorical": ["tags"]}, TypeError, "'tags' is categorical, which takes single values"),
        ({"vocabulary": "all"}, ValueError, "vocabulary must be one of 'learn', 'hash', 'grow'"),
        ({"buckets": 1}, ValueError, "buckets must be in"),
        ({"buckets": 2.0}, TypeError, "buckets must be an integer"),
        ({"buckets": {"city": 1}}, ValueError, r"buckets\['city'\] must be in"),
        ({"buckets": {"town": 5}}, ValueError, "no column 'town', named in buckets"),
        ({"capacity": {"town": 5}}, ValueError, "no column 'town', named in capacity"),
        ({"min_count": 0}, ValueError, "min_count must be in"),
        ({"bins": 0}, ValueError, "bins must be in"),
        ({"bins": True}, TypeError, "bins must be an integer"),
    ],
)
def test_parameters(parameters, error, message):
    encoder = lp.TabularEncoder(**parameters)
    with pytest.raises(error, match=message):
        encoder.fit(GOOD)
    with pytest.raises(ValueError, match="this TabularEncoder is not fitted yet; call fit first"):
        encoder.transform(GOOD)


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (np.zeros((2, 2)), TypeError, "must be a frame with the Arrow capsule interface.*ndarray"),
        ({"x": [1]}, TypeError, "Arrow capsule interface.*builtins.dict"),
        (pa.array([1, 2]), TypeError, "cannot be read as columns of Arrow"),
        (GOOD.slice(0, 0), ValueError, "the frame has no rows"),
        (pa.table({}), ValueError, "the frame has no columns"),
        (pa.table([[1], [2]], ["x", "x"]), ValueError, "two columns named 'x'"),
        (STRUCTS, TypeError, "column 'x' holds struct<a: int64>; supported are text, bytes"),
        (pa.table({"x": [[[1]]]}), TypeError, "column 'x' holds list<.*supported are"),
        (pa.table({"x": [None, None]}), ValueError, "'x' has neither values nor a type: name it"),
        (pa.table({"x": [1.0, None, np.inf]}), ValueError, "column 'x', row 2: inf is not finite"),
    ],
)
def test_frames(frame, error, message):
    with pytest.raises(error, match=message):
        lp.TabularEncoder().fit(frame)


@pytest.mark.parametrize(
    ("column", "values", "error", "message"),
    [
        ("city", [1, 2], TypeError, "'city' holds int64; it was fitted on values of the kind 'tex"),
        ("city", [["Rome"], []], TypeError, "which takes single values; it holds list"),
        ("age", ["1", "2"], TypeError, "'age' is numerical; it holds string"),
        ("age", [None, -np.inf], ValueError, "column 'age', row 1: -inf is not finite"),
        ("tags", ["a", "b"], TypeError, "which takes lists; it holds string"),
        ("tags", [[1], []], TypeError, "'tags' holds list.*fitted on values of the kind 'text'"),
        ("age", None, ValueError, "the frame has no column 'age'"),
    ],
)
def test_later_frames(column, values, error, message):
    encoder = lp.TabularEncoder().fit(GOOD)
    expected = bits(encoder.transform(GOOD))
    columns = {name: GOOD[name] for name in GOOD.column_names} | {column: values}
    frame = pa.table({name: each for name, each in columns.items() if each is not None})
    for call in (encoder.transform, encoder.partial_fit):
        with pytest.raises(error, match=message):
            call(frame)
    with pytest.raises(error, match=message):
        lp.TabularEncoder(categorical=["city"]).partial_fit(GOOD).partial_fit(frame)
    assert bits(encoder.transform(GOOD)) == expected


def test_the_row_of_an_infinite_number_is_counted_over_chunks_and_threads():
    values = np.zeros(200_000)
    encoder = lp.TabularEncoder().fit(pa.table({"x": values}))
    values[[123_456, 170_000]] = np.inf
    chunks = pa.chunked_array([values[:100_001], values[100_001:]])
    for call in (encoder.transform, encoder.partial_fit):
        with pytest.raises(ValueError, match="column 'x', row 123456: inf is not finite"):
            call(pa.table({"x": chunks}))


@pytest.mark.parametrize("type_", ["timestamp[s]", "timestamp[ms]", "duration[s]", "date32"])
def test_time_that_has_no_microseconds(type_):
    """As a number it used to wrap around, to another time."""
    kind = {"date32": pa.int32()}.get(type_, pa.int64())
    far = np.iinfo(kind.to_pandas_dtype()).max // 2
    column = pa.array([1, far, None], kind).cast(type_)
    encoder = lp.TabularEncoder(numerical=["x"])
    with pytest.raises(ValueError, match=r"^column 'x' holds .*, which is read in microseconds"):
        encoder.fit(pa.table({"x": column}))


def test_categories_of_time_are_of_whole_microseconds():
    table = pa.table({"x": pa.array([1, 1000], pa.timestamp("ns"))})
    with pytest.raises(ValueError, match=r"column 'x' holds timestamp.*in microseconds"):
        lp.TabularEncoder(categorical=["x"]).fit(table)


def test_objects_of_several_types():
    pd = pytest.importorskip("pandas", minversion="2.2")
    with pytest.raises(TypeError, match=r"cannot be read as columns of Arrow.*column x"):
        lp.TabularEncoder().fit(pd.DataFrame({"x": ["a", 1]}, dtype=object))


def test_parameters_may_not_change_between_parts():
    encoder = lp.TabularEncoder().partial_fit(GOOD).set_params(min_count=2)
    with pytest.raises(ValueError, match="min_count was changed after the first call; call fit"):
        encoder.partial_fit(GOOD)
    assert encoder.fit(GOOD).transform(GOOD).num_embeddings == [1, 3, 1]


def test_unknown_parameters():
    with pytest.raises(ValueError, match="'bin' is not a parameter; there are categorical, num"):
        lp.TabularEncoder().set_params(bin=3)


def test_without_pyarrow():
    with (
        mock.patch.dict(sys.modules, {"pyarrow": None}),
        pytest.raises(ImportError, match=r'needs pyarrow: pip install "lowprec\[data\]"'),
    ):
        lp.TabularEncoder().fit(GOOD)
