"""`Vocabulary`: keys, admission and errors."""

import threading

import numpy as np
import pytest

import lowprec as lp
from tests import naive_vocabulary as naive


def same(found, expected):
    assert list(found) == list(expected)


# --- keys ---


@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", ">i8", "<u4", "u8", list])
def test_integers_of_any_dtype(dtype):
    vocabulary = lp.Vocabulary(50)
    vocabulary.admit(np.array([3, 7, 100]))
    keys = [[7, 100], [3, 9]] if dtype is list else np.array([[7, 100], [3, 9]], dtype)
    found = vocabulary.find(keys)
    assert found.dtype == np.int32
    assert found.tolist() == [[2, 3], [1, 0]]
    assert 7 in vocabulary
    assert 9 not in vocabulary


def test_keys_are_64_bits():
    vocabulary = lp.Vocabulary(50)
    rows, _, keys = vocabulary.admit(np.array([-1, 0, -(2**63)]))
    assert keys.tolist() == [0, 2**63, 2**64 - 1]
    assert rows.tolist() == [3, 1, 2]
    assert vocabulary.find(np.array([2**64 - 1, 2**63], np.uint64)).tolist() == [3, 2]
    assert vocabulary.find(np.array([-1], np.int8)).tolist() == [3]
    assert vocabulary.find(np.uint64(2**64 - 1)) == 3
    assert vocabulary.find(np.array([255], np.uint8)).tolist() == [0]


def test_strings_of_any_kind():
    vocabulary = lp.Vocabulary(50)
    texts = ["red", "green", "", "gr", "green\0", "żółty", "12345678", "1234567812345678"]
    rows, new_rows, new_keys = vocabulary.admit(texts)
    assert sorted(rows) == list(range(1, 9)) == new_rows.tolist()
    assert new_keys.dtype == np.uint64
    assert (new_keys[1:] > new_keys[:-1]).all()
    objects = np.array(texts, object)
    for same_keys in (objects, tuple(texts), [text.encode() for text in texts]):
        same(vocabulary.find(same_keys), rows)
    plain = [text for text in texts if not text.endswith("\0")]
    expected = vocabulary.find(plain)
    same(vocabulary.find(np.array(plain)), expected)
    same(vocabulary.find(np.char.encode(np.array(plain), "utf-8")), expected)
    if hasattr(np, "dtypes") and hasattr(np.dtypes, "StringDType"):
        same(vocabulary.find(np.array(plain, np.dtypes.StringDType())), expected)
    assert vocabulary.find(objects.reshape(2, 4)).shape == (2, 4)
    assert vocabulary.find("green") == vocabulary.find(["green"])[0] > 0
    assert "\ud800" not in vocabulary


def test_known_text_hashes(root):
    import json

    known = json.loads((root / "tests" / "data" / "text_hash.json").read_text())
    assert known["version"] == 1
    for text, seed, *expected in known["cases"]:
        data = bytes.fromhex(text)
        both = [
            naive.text_hash(data, naive.hash_key(int(seed), use))
            for use in (naive.TEXT, naive.CHECK)
        ]
        assert [f"{each:016x}" for each in both] == expected
        vocabulary = lp.Vocabulary(3, seed=int(seed))
        assert vocabulary.admit([data])[2].tolist() == [int(expected[0], 16)]
        assert vocabulary._slots.entries().keys[0].tolist() == both


def test_text_of_one_first_hash_is_told_apart(monkeypatch):
    """Two strings whose first hashes are equal: made so, as none are known."""
    from lowprec.batches import vocabulary as module
    from lowprec.batches.keys import check_keys

    def with_equal_first_hashes(keys, seed):
        found = check_keys(keys, seed)
        found.words[:, 0] = 7
        return found

    monkeypatch.setattr(module, "check_keys", with_equal_first_hashes)
    vocabulary = lp.Vocabulary(10, ttl=0)
    rows, _, keys = vocabulary.admit(["a", "b", "c", "a"])
    assert sorted(set(rows.tolist())) == [1, 2, 3]
    assert rows[0] == rows[3]
    assert keys.tolist() == [7, 7, 7]
    vocabulary.admit(["b"], 1)
    assert len(vocabulary.expire(1)) == 2
    assert vocabulary.find(["b", "a", "c"]).tolist() == [rows[1], 0, 0]


def test_no_keys():
    for none in ([], np.zeros((0, 3), np.int64), np.array([], object), np.zeros((2, 0), "U1")):
        vocabulary = lp.Vocabulary(5)
        rows, new_rows, new_keys = vocabulary.admit(none)
        assert rows.shape == np.shape(none) == vocabulary.find(none).shape
        assert (rows.dtype, new_rows.dtype, new_keys.dtype) == (np.int32, np.int32, np.uint64)
        vocabulary.admit(["a"])  # nothing was said of what keys it holds


# --- admission ---


def test_a_full_vocabulary_counts_what_it_refuses():
    vocabulary = lp.Vocabulary(3)
    rows, new_rows, new_keys = vocabulary.admit([50, 20, 40, 30, 40])
    assert rows.tolist() == [0, 1, 0, 2, 0]
    assert (new_rows.tolist(), new_keys.tolist()) == ([1, 2], [20, 30])
    assert vocabulary.refused == 2
    assert vocabulary.admit([50, 20])[1].size == 0
    assert vocabulary.refused == 3
    assert lp.Vocabulary(1).admit([5])[0] == 0


@pytest.mark.parametrize("min_count", [2, 255, 256, 65_535])
def test_no_key_waits_longer_than_min_count(min_count):
    """A sketch never counts too little; so few keys it counts exactly."""
    vocabulary = lp.Vocabulary(1000, min_count)
    for step in range(3):  # later keys are not admitted by what was counted of others
        keys = np.repeat(np.arange(20) + 100 * step, min_count - 1)
        assert not vocabulary.admit(keys)[0].any()
    assert (vocabulary.admit(np.arange(20))[0] > 0).all()


def test_what_a_sketch_counts_too_much():
    """Of 5,000 keys seen once, with room for 2,000: each counter of a line has 1.2 on average.

    A key that was not seen is taken for one that was if all 4 of its counters are not 0:
    (1 - exp(-5000 / 4096))**4 = 0.247.  Seen in 2,000 of 10,000 to 3,000: 11 standard deviations.
    """
    vocabulary = lp.Vocabulary(2000, min_count=2)
    vocabulary.admit(np.arange(5000))
    assert (
        0.20
        < (
            vocabulary._sightings.of(np.arange(10**6, 10**6 + 10_000, dtype=np.uint64)[:, None]) > 0
        ).mean()
        < 0.30
    )


def test_sightings_are_forgotten_after_ttl():
    vocabulary = lp.Vocabulary(100, min_count=2, ttl=10)
    vocabulary.admit([1], step=0)
    vocabulary.expire(10)
    vocabulary.admit([2], step=10)
    vocabulary.expire(11)  # what was seen until now is the older generation
    vocabulary.admit([3], step=12)
    assert vocabulary.admit([2], step=20)[0] == 1
    vocabulary.expire(22)  # and forgotten: it was seen more than 10 steps ago
    assert vocabulary.admit([1, 3], step=22)[0].tolist() == [0, 2]


def test_the_dtype_of_rows_is_one_that_tables_take():
    assert lp.Vocabulary(2**31).admit([5])[0].dtype == np.int32
    large = lp.Vocabulary(2**32 - 1, min_count=2, ttl=1)
    rows, new_rows, _ = large.admit([5, 5])
    assert (rows.dtype, rows.tolist()) == (np.int64, [1, 1])
    assert new_rows.dtype == large.find([5]).dtype == large.expire(1).dtype == np.int64


# --- errors ---


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"capacity": 0}, ValueError, r"capacity must be in \[1, 4294967296\), got 0"),
        ({"capacity": 2**32}, ValueError, "capacity must be in"),
        ({"capacity": 2.5}, TypeError, "capacity must be an integer, got 2.5"),
        ({"capacity": 5, "min_count": 0}, ValueError, "min_count must be in"),
        ({"capacity": 5, "min_count": 2**16}, ValueError, "min_count must be in"),
        ({"capacity": 5, "ttl": -1}, ValueError, "ttl must be in"),
        ({"capacity": 5, "seed": -1}, ValueError, "seed must be in"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        lp.Vocabulary(**arguments)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([1.0], "keys must be integers or strings, got float64"),
        ([True], "keys must be integers or strings, got bool"),
        (["a", "b"], "this vocabulary holds integers, got keys that are strings"),
        ([["a", 5]], r"keys\[0, 1\] = 5 among objects, which must be str or bytes"),
        ([b"a", None], r"keys\[1\] = None among objects"),
        ([2**64], r"keys\[0\] = 18446744073709551616 among objects"),
        (np.ma.masked_array([1, 2], [True, False]), "keys has masked entries"),
        (np.array(["2020"], "M8[Y]"), "keys must be integers or strings, got datetime64"),
    ],
)
def test_bad_keys(keys, message):
    vocabulary = lp.Vocabulary(10)
    vocabulary.admit([5, 6], step=3)
    for call in (vocabulary.find, vocabulary.admit):
        with pytest.raises(TypeError, match=message):
            call(keys)
    assert len(vocabulary) == 2
    strings = lp.Vocabulary(10)
    strings.admit(["a"])
    with pytest.raises(
        TypeError, match="this vocabulary holds strings, got keys that are integers"
    ):
        strings.admit([5])


@pytest.mark.parametrize("step", [-1, 2**32, 1.5, True])
def test_bad_steps(step):
    vocabulary = lp.Vocabulary(10, ttl=2)
    for call in (lambda: vocabulary.admit([5], step), lambda: vocabulary.expire(step)):
        with pytest.raises((TypeError, ValueError), match="step must be"):
            call()
    assert len(vocabulary) == 0
    vocabulary.admit([5], 2**32 - 1)
    assert vocabulary.expire(2**32 - 1).size == 0


def test_one_call_changes_it_at_a_time():
    vocabulary = lp.Vocabulary(10)
    vocabulary.admit([1])
    inside, go_on = threading.Event(), threading.Event()

    def hold():
        with vocabulary._turns.alone("this vocabulary admits keys"):
            inside.set()
            go_on.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    with pytest.raises(RuntimeError, match="admits keys by two calls at once"):
        vocabulary.admit([2])
    with pytest.raises(RuntimeError, match="expire by two calls at once"):
        vocabulary.expire(2)
    go_on.set()
    thread.join()
    assert vocabulary.admit([2])[0] == 2
