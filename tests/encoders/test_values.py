"""Keys of values against the specification, `docs/hash.md`, and its known answers."""

import datetime as dt
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowprec.scalar import values as scalars
from tests import naive_encoder
from tests.conftest import ROOT

pa = pytest.importorskip("pyarrow", reason="comes with the extra `data`")

from lowprec.encoders.values import floats_of, keys_of  # noqa: E402

KNOWN = json.loads((ROOT / "tests" / "data" / "value_hash.json").read_text())
OF_TEXT = {
    "string": str,
    "binary": bytes.fromhex,
    "int64": int,
    "uint64": int,
    "double": float.fromhex,
    "date32[day]": dt.date.fromisoformat,
    "timestamp[us]": dt.datetime.fromisoformat,
    "duration[us]": lambda text: dt.timedelta(microseconds=int(text)),
    "time64[us]": dt.time.fromisoformat,
}
TYPES = {
    str(type_): type_
    for type_ in (
        pa.string(), pa.binary(), pa.int64(), pa.uint64(), pa.float64(), pa.date32(),
        pa.timestamp("us"), pa.duration("us"), pa.time64("us"),
    )
}  # fmt: skip


def test_known_answers():
    assert KNOWN["version"] == scalars.VERSION
    assert {type_ for type_, _, _ in KNOWN["cases"]} == set(OF_TEXT)
    for type_, text, expected in KNOWN["cases"]:
        value = OF_TEXT[type_](text)
        assert f"{naive_encoder.key(value):016x}" == expected, text
        found = keys_of(pa.array([value], TYPES[type_])).keys
        assert f"{found[0]:016x}" == expected, text


@given(st.lists(st.text() | st.none()), st.integers(0, 5))
def test_text_equals_the_specification(values, start):
    array = pa.array(values, pa.string())
    for each in (array, array.cast(pa.large_string()), array.cast(pa.string_view())):
        keys, missing = keys_of(each[start:])
        for place, value in enumerate(values[start:]):
            if value is None:
                assert missing[place]
            else:
                assert keys[place] == naive_encoder.key(value)


@given(st.lists(st.floats() | st.none()))
def test_floats_equal_the_specification(values):
    keys, missing = keys_of(pa.array(values, pa.float64()))
    for place, value in enumerate(values):
        if naive_encoder.is_missing(value):
            assert missing[place]
        else:
            assert keys[place] == naive_encoder.key(value)


def test_dictionaries_with_missing_entries():
    indices = pa.array([0, None, 1, 2], pa.int8())
    array = pa.DictionaryArray.from_arrays(indices, pa.array(["a", None, "b"]))
    for some in (array, array.take([0, 1]), array[1:]):  # longer and shorter than its dictionary
        keys, missing = keys_of(some)
        expected = some.to_pylist()
        assert missing.tolist() == [value is None for value in expected]
        there = [naive_encoder.key(value) for value in expected if value is not None]
        assert keys[~missing].tolist() == there


def test_what_is_behind_a_null_does_not_matter():
    """Arrow leaves the bytes of missing values as they are."""
    array = pa.Array.from_buffers(
        pa.int64(), 3, [pa.py_buffer(b"\x05"), pa.py_buffer(np.arange(3).tobytes())]
    )
    assert array.to_pylist() == [0, None, 2]
    np.testing.assert_array_equal(floats_of(array), [0, np.nan, 2])
    assert keys_of(array).missing.tolist() == [False, True, False]
