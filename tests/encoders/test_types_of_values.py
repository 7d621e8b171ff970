"""Values of every type: by value, and the same from every library."""

import datetime as dt
import itertools
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests.encoders.frames import FRAME, USER, pa
from tests.encoders.libraries import arrow, bits, encoded, of_arrow

UTC = dt.timezone.utc


def test_the_same_bits_from_every_kind_of_arrow():
    frames = of_arrow(arrow(FRAME))
    found = {
        name: encoded(frame, numerical=["age", "rate"], **USER) for name, frame in frames.items()
    }
    assert len(found) == 8
    assert not [name for name in found if found[name] != found["table"]]


def pandas_frames(table):
    pd = pytest.importorskip("pandas", minversion="2.2")
    return {
        "objects": table.to_pandas(),
        "nullable": table.to_pandas(types_mapper={
            pa.int64(): pd.Int64Dtype(), pa.string(): pd.StringDtype(),
            pa.bool_(): pd.BooleanDtype(), pa.float64(): pd.Float64Dtype(),
        }.get),
        "Arrow": table.to_pandas(types_mapper=pd.ArrowDtype),
        "another index": table.to_pandas(types_mapper=pd.ArrowDtype).set_index(
            pd.Index(range(9, 1, -1), name="number")
        ),
    }  # fmt: skip


def exact(columns):
    """Without integers that float64 cannot hold: pandas makes floats of those beside a missing."""
    return {name: v for name, v in columns.items() if name != "user"} | {
        "user": [1, 2, None] * 2 + [2] * 2
    }


def test_the_same_bits_from_pandas():
    table = arrow(exact(FRAME))
    expected = encoded(table, **USER)
    for name, frame in pandas_frames(table).items():
        assert encoded(frame, **USER) == expected, name


def test_the_same_bits_from_polars():
    pl = pytest.importorskip("polars")
    table = arrow(FRAME)
    frame = pl.from_arrow(table)
    assert encoded(frame, **USER) == encoded(table, **USER)
    categories = frame.with_columns(pl.col("city").cast(pl.Categorical))
    assert encoded(categories, **USER) == encoded(table, **USER)


def test_the_same_bits_from_duckdb():
    duckdb = pytest.importorskip("duckdb")
    table = arrow({name: values for name, values in FRAME.items() if name != "raw"})
    connection = duckdb.connect()
    connection.register("t", table)
    assert encoded(connection.sql("select * from t").arrow(), **USER) == encoded(table, **USER)


def test_values_compare_by_value_and_not_by_type():
    """A column that was of integers comes back as floats, decimals, a dictionary or booleans."""
    encoder = lp.TabularEncoder(categorical=["x", "when"])
    when = [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 2)]
    encoder.fit(pa.table({"x": [0, 1], "when": when}))
    expected = encoder.transform(pa.table({"x": [0, 1], "when": when})).indices.tolist()
    days = pa.array([each.date() for each in when])
    for x in (
        pa.array([0.0, 1.0]), pa.array([-0.0, 1.0], pa.float32()), pa.array([0, 1], pa.uint64()),
        pa.array([False, True]), pa.array([Decimal("0.00"), Decimal("1.00")]),
        pa.array([0, 1], pa.int8()), pa.array([0, 1]).dictionary_encode(),
    ):  # fmt: skip
        for y in (
            days,
            days.cast(pa.date64()),
            days.cast(pa.timestamp("ns", "UTC")),
            pa.array(when),
        ):
            assert encoder.transform(pa.table({"x": x, "when": y})).indices.tolist() == expected


def test_every_type_of_numbers():
    types = [
        pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
        pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 2),
        pa.decimal256(9, 2),
    ]  # fmt: skip
    values = [np.float16(3), None, np.float16(0), np.float16(3)]
    integers = [None if value is None else int(value) for value in values]
    for parameters in ({}, {"categorical": ["x"]}):
        expected = encoded(pa.table({"x": integers}), **parameters)
        for type_ in types:
            half = type_ == pa.float16()
            array = pa.array(values if half else integers, type_)
            assert encoded(pa.table({"x": array}), **parameters) == expected, type_


def test_every_type_of_lists():
    values = [["a", "b"], [None, "a"], None, ["b", "a"]]
    expected = encoded(pa.table({"x": pa.array(values, pa.list_(pa.string()))}))
    for type_ in (
        pa.large_list(pa.large_string()), pa.list_(pa.string(), 2), pa.list_view(pa.string()),
        pa.large_list_view(pa.string_view()), pa.list_(pa.dictionary(pa.int8(), pa.string())),
    ):  # fmt: skip
        assert encoded(pa.table({"x": pa.array(values, type_)})) == expected, type_


def test_lists_without_a_value():
    encoder = lp.TabularEncoder().fit(pa.table({"x": [["a"]]}))
    samples = encoder.transform(pa.table({"x": [[None, None], [], None]}))
    assert samples.indices.tolist() == [0, 0]
    assert samples.offsets.tolist() == [0, 2, 2, 2]
    twice = lp.TabularEncoder().partial_fit(pa.table({"x": [[None], []]}))
    twice.partial_fit(pa.table({"x": [["a"]]}))
    assert twice.transform(pa.table({"x": [["a"]]})).indices.tolist() == [1]


def test_an_instant_has_one_category_in_every_time_zone():
    utc = pa.array([dt.datetime(2020, 7, 1, 12, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    encoder = lp.TabularEncoder(categorical=["t"]).fit(pa.table({"t": utc}))
    for zone in ("Europe/Berlin", "America/New_York"):
        there = pa.table({"t": utc.cast(pa.timestamp("us", zone))})
        assert encoder.transform(there).indices.tolist() == [[1]]


def test_large_decimals_are_exact():
    """As the sums of integers that some databases give."""
    encoder = lp.TabularEncoder(categorical=["x"])
    for numbers, type_ in (
        ([2**53, 2**53 + 1, 2**63 - 1, -(2**63), 5], pa.int64()),
        ([2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1], pa.uint64()),
    ):
        integers = pa.table({"x": pa.array(numbers, type_)})
        expected = encoder.fit(integers).transform(integers).indices.tolist()
        assert len(np.unique(expected)) == 5
        decimals = pa.array([Decimal(number) for number in numbers], pa.decimal128(38, 0))
        assert encoder.transform(pa.table({"x": decimals})).indices.tolist() == expected
    beyond = [Decimal(-(2**63) - 1), Decimal(2**64), Decimal(2**64 + 5)]
    assert encoder.transform(pa.table({"x": beyond})).indices.tolist() == [[0]] * 3


@settings(max_examples=25)
@given(st.lists(st.integers(0, 8), max_size=5), st.integers(1, 3))
def test_parts_equal_the_whole(cuts, min_count):
    table = arrow(FRAME)
    whole = lp.TabularEncoder(min_count=min_count, **USER).fit(table)
    parts = lp.TabularEncoder(min_count=min_count, **USER)
    places = [0, *sorted(cuts), 8]
    for start, stop in itertools.pairwise(places):
        if stop > start:
            parts.partial_fit(table.slice(start, stop - start))
    described, arrays = whole.contents()
    again, its_arrays = parts.contents()
    assert again == described
    assert all(np.array_equal(arrays[name], its_arrays[name]) for name in arrays)
    assert bits(parts.transform(table)) == bits(whole.transform(table))
