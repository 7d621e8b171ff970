"""The encoder of frames, against an oracle."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests import naive_encoder
from tests.encoders.frames import FRAME, USER, pa
from tests.encoders.libraries import arrow, bits, encoded, in_chunks
from tests.processor_states import STATES, in_state


def check(columns, samples, roles, learn_from=None, bins=32):
    """Compare samples with the oracle, which learns from the same columns or others."""
    learn_from = learn_from or columns
    dense, errors, ids = [], [], []
    for name, values in columns.items():
        seen = learn_from[name]
        if roles[name] == "numerical":
            edges, (scaled, error) = naive_encoder.edges(seen, bins), naive_encoder.scaled(seen)
            errors.append(1e-6 + error)
            found = [None if naive_encoder.is_missing(v) else v for v in values]
            dense.append([0.0 if v is None else scaled(v) for v in found])
            numbers = [None if v is None else float(naive_encoder.as_number(v)) for v in found]
            ids.append([[0 if x is None else 1 + sum(e <= x for e in edges)] for x in numbers])
        else:
            bags = values if roles[name] == "multi" else [[value] for value in values]
            lists = seen if roles[name] == "multi" else [[value] for value in seen]
            rows = naive_encoder.learned([value for bag in lists for value in bag or []])

            def row(value, rows=rows):
                missing = naive_encoder.is_missing(value)
                return 0 if missing else rows.get(naive_encoder.key(value), 0)

            ids.append([[row(value) for value in bag or []] for bag in bags])
    expected = [bag for row in zip(*ids, strict=True) for bag in row]
    starts = samples.offsets.tolist()
    assert [samples.indices[a:b].tolist() for a, b in itertools.pairwise(starts)] == expected
    for number, error in enumerate(errors):
        np.testing.assert_allclose(samples.dense[:, number], dense[number], rtol=1e-5, atol=error)


ROLES = {
    "city": "categorical", "raw": "categorical", "age": "numerical", "rate": "numerical",
    "user": "categorical", "member": "categorical", "since": "categorical", "tags": "multi",
}  # fmt: skip


def test_a_frame_equals_the_oracle():
    frame = arrow(FRAME)
    encoder = lp.TabularEncoder(**USER).fit(frame)
    check(FRAME, encoder.transform(frame), ROLES)
    assert encoder.feature_names_in_.tolist() == list(FRAME)
    assert encoder.n_features_in_ == len(FRAME)
    assert encoder.get_feature_names_out().tolist() == [
        "age", "rate", "city", "raw", "age_bin", "rate_bin", "user", "member", "since", "tags",
    ]  # fmt: skip


values_of = {
    "text": st.none() | st.text(max_size=20),
    "bytes": st.none() | st.binary(max_size=20),
    "integers": st.none() | st.integers(-(2**63), 2**63 - 1),
    "unsigned": st.none() | st.integers(0, 2**64 - 1),
    "booleans": st.none() | st.booleans(),
    "floats": st.none() | st.floats(allow_infinity=False),
    "dates": st.none() | st.dates(),
    "times": st.none() | st.datetimes(timezones=st.none()),
    "lists": st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3),
}
TYPES = {
    "text": pa.string(), "bytes": pa.binary(), "integers": pa.int64(), "unsigned": pa.uint64(),
    "booleans": pa.bool_(), "floats": pa.float64(), "dates": pa.date32(),
    "times": pa.timestamp("us"), "lists": pa.list_(pa.string()),
}  # fmt: skip
rows_of_values = st.lists(st.tuples(*values_of.values()), min_size=2, max_size=40)


@settings(max_examples=50)
@given(rows_of_values, st.booleans(), st.integers(1, 8), st.data())
def test_random_frames_equal_the_oracle(rows, as_categories, bins, data):
    """Learned from the first rows, in chunks of any size, and applied to all."""
    columns = dict(zip(values_of, map(list, zip(*rows, strict=True)), strict=True))
    schema = pa.schema(list(TYPES.items()))
    table = pa.table([pa.array(v, TYPES[n]) for n, v in columns.items()], schema=schema)
    split = data.draw(st.integers(1, len(rows)))
    categorical = ["integers", "unsigned", "floats", "times"] if as_categories else []
    names = ["text", "bytes", "booleans", "dates", *categorical]
    roles = {name: "categorical" if name in names else "numerical" for name in columns}
    roles["lists"] = "multi"
    encoder = lp.TabularEncoder(categorical=categorical, bins=bins)
    encoder.fit(in_chunks(table.slice(0, split), data.draw(st.integers(1, 5))))
    learned = {name: values[:split] for name, values in columns.items()}
    check(columns, encoder.transform(in_chunks(table)), roles, learned, bins)


def test_rows_do_not_depend_on_the_order():
    table = arrow(FRAME)
    encoder = lp.TabularEncoder(**USER).fit(table)
    backwards = lp.TabularEncoder(**USER).fit(table.take(list(range(7, -1, -1))))
    assert bits(backwards.transform(table)) == bits(encoder.transform(table))


def test_rare_and_new_categories_have_row_0():
    encoder = lp.TabularEncoder(min_count=2).fit(pa.table({"x": ["a", "b", "a", "c", "c", "a"]}))
    samples = encoder.transform(pa.table({"x": ["a", "b", "c", "d", None]}))
    assert samples.indices.ravel().tolist() == [1, 0, 2, 0, 0]
    assert samples.num_embeddings == [3]


def test_hashed_rows_are_those_of_the_oracle():
    values = {"x": ["a", "b", None, "a"], "y": ["a", "b", "c", None]}
    encoder = lp.TabularEncoder(vocabulary="hash", buckets={"x": 1000})
    samples = encoder.fit_transform(pa.table(values))
    assert samples.num_embeddings == [1000, 2**16]
    expected = [
        [0 if v is None else naive_encoder.hashed_row(v, name, rows) for v in values[name]]
        for name, rows in zip("xy", samples.num_embeddings, strict=True)
    ]
    assert samples.indices.T.tolist() == expected
    assert samples.indices[0, 0] != samples.indices[0, 1]


def test_hashed_rows_are_spread_evenly():
    """All rows but row 0; chi-square of 999 rows, at most 1,200 but for a false alarm in 1e5."""
    encoder = lp.TabularEncoder(vocabulary="hash", buckets=1000)
    ids = encoder.fit_transform(pa.table({"x": [f"value {k}" for k in range(100_000)]})).indices
    counts = np.bincount(ids.ravel(), minlength=1000)
    assert counts[0] == 0
    assert len(counts) == 1000
    expected = 100_000 / 999
    assert ((counts[1:] - expected) ** 2 / expected).sum() < 1200


def many_rows():
    rng = np.random.default_rng(0)
    n = 100_000
    return pa.table({
        "x": rng.normal(size=n), "c": rng.integers(0, 1000, n).astype("U4"),
        "tags": [["a"] * (k % 3) for k in range(n)],
    })  # fmt: skip


def test_threads_change_nothing():
    """More rows than a thread takes at once, and more numbers than a sample has."""
    table, before, found = many_rows(), lp.get_num_threads(), []
    try:
        for threads in {1, before}:
            lp.set_num_threads(threads)
            found.append(encoded(table))
    finally:
        lp.set_num_threads(before)
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize("state", sorted({"flush", "up"} & set(STATES)))
def test_the_state_of_the_processor_changes_nothing(state):
    table = many_rows()
    tiny = np.ldexp(table["x"].to_numpy(), -1070)  # subnormal
    table = table.append_column("tiny", pa.array(tiny))
    expected = encoded(table)
    with in_state(state):
        assert encoded(table) == expected


def test_a_pandas_column_that_is_all_missing_fits():
    """It comes as floats, whatever it held before."""
    encoder = lp.TabularEncoder().fit(pa.table({"x": ["a", "b"]}))
    for missing in (pa.array([np.nan, np.nan]), pa.nulls(2)):
        assert encoder.transform(pa.table({"x": missing})).indices.tolist() == [[0], [0]]
        lp.TabularEncoder(categorical=["x"]).fit(pa.table({"x": missing}))


def test_no_rows_are_transformed_to_none():
    encoder = lp.TabularEncoder(**USER).fit(arrow(FRAME))
    samples = encoder.transform(arrow(FRAME).slice(0, 0))
    assert samples.shape == (0, 10)


def test_copies_and_pickles():
    encoder = lp.TabularEncoder(**USER).fit(arrow(FRAME))
    expected = bits(encoder.transform(arrow(FRAME)))
    for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert bits(twin.transform(arrow(FRAME))) == expected
