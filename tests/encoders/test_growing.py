"""Vocabularies that grow: rows never move, and those of one part depend on its categories alone."""

import threading

import numpy as np
import pytest

import lowprec as lp
from tests import naive_encoder

pa = pytest.importorskip("pyarrow", reason="comes with the extra `data`")


def grown(*parts, **parameters):
    encoder = lp.TabularEncoder(vocabulary="grow", **{"capacity": 100, **parameters})
    for part in parts:
        encoder.partial_fit(pa.table({"x": part}))
    return encoder


def rows(encoder, values):
    return encoder.transform(pa.table({"x": values})).indices.ravel().tolist()


def test_rows_do_not_move():
    first, second = ["a", "b", None, "c", "a"], ["d", "a", "e"]
    encoder = grown(first)
    before = rows(encoder, ["a", "b", "c"])
    encoder.partial_fit(pa.table({"x": second}))
    assert rows(encoder, ["a", "b", "c"]) == before
    assert sorted(rows(encoder, list("abcde"))) == [1, 2, 3, 4, 5]
    assert rows(encoder, ["f", None]) == [0, 0]
    assert encoder.transform(pa.table({"x": ["a"]})).num_embeddings == [100]


def test_new_keys_of_a_part_are_in_ascending_order():
    expected = sorted("abc", key=naive_encoder.key)
    for part in (list("abc"), list("cbca"), [*"bac", None]):
        assert rows(grown(part), expected) == [1, 2, 3]


def test_rare_categories_wait():
    encoder = grown(["a", "b", "a"], min_count=2)
    assert rows(encoder, ["a", "b"]) == [1, 0]
    encoder.partial_fit(pa.table({"x": ["b"]}))
    assert rows(encoder, ["a", "b"]) == [1, 2]


def test_a_full_vocabulary_counts_what_finds_no_row():
    encoder = grown(["a", "b", "c"], capacity={"x": 3})
    assert sorted(rows(encoder, ["a", "b", "c"])) == [0, 1, 2]
    assert encoder.vocabularies_["x"].refused == 1
    assert lp.TabularEncoder().fit(pa.table({"x": ["a"]})).vocabularies_ == {}


def test_rows_are_those_of_the_buckets_if_there_is_no_capacity():
    assert grown(["a"], capacity=None, buckets=7).vocabularies_["x"].capacity == 7


def test_an_error_in_another_column_admits_nothing():
    encoder = lp.TabularEncoder(vocabulary="grow", capacity=10)
    encoder.fit(pa.table({"x": ["a"], "n": [1.0]}))
    with pytest.raises(ValueError, match="column 'n', row 0: inf is not finite"):
        encoder.partial_fit(pa.table({"x": ["b"], "n": [np.inf]}))
    assert len(encoder.vocabularies_["x"]) == 1


def test_a_frame_is_encoded_while_another_is_learned():
    """What is being read is never written: 20 parts beside a thread that transforms."""
    encoder = grown(["a"], capacity=100_000)
    values, found, done = ["a"] * 50_000, [], threading.Event()

    def transform():
        while not done.is_set():
            found.append(set(rows(encoder, values)))

    thread = threading.Thread(target=transform)
    thread.start()
    for part in range(20):
        encoder.partial_fit(pa.table({"x": [f"{part} {k}" for k in range(1000)]}))
    done.set()
    thread.join()
    assert found
    assert all(each == {1} for each in found)
