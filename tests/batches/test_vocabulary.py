"""`Vocabulary` against a dict, in streams of random batches; strings, files, copies, errors."""

import copy
import pickle
import threading

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from lowprec.kernels.cpu import launch
from tests import naive_vocabulary as naive


def same(found, expected):
    assert list(found) == list(expected)


def agree(vocabulary, oracle):
    assert len(vocabulary) == len(oracle.rows)
    assert vocabulary.refused == oracle.refused


def check_admit(vocabulary, oracle, keys, step):
    found, expected = vocabulary.admit(keys, step), oracle.admit(keys, step)
    for mine, its in zip(found, expected, strict=True):
        same(mine.reshape(-1).tolist(), its)
    agree(vocabulary, oracle)
    return found


# --- streams of batches ---

INTEGERS = st.integers(0, 30) | st.sampled_from([2**63, 2**64 - 1, 2**64 - 2, 2**32])
TEXTS = st.text(max_size=2) | st.sampled_from(["", "\0", "a", "a\0", "12345678", "123456789", "é"])
BATCHES = {
    "integers": st.lists(INTEGERS, max_size=20).map(lambda keys: np.array(keys, np.uint64)),
    "strings": st.lists(TEXTS, max_size=20),
}


@st.composite
def streams(draw):
    """Arguments of a vocabulary, and calls."""
    keys = BATCHES[draw(st.sampled_from(sorted(BATCHES)))]
    arguments = {
        "capacity": draw(st.integers(1, 40)),
        "min_count": draw(st.sampled_from([1, 1, 2, 3, 300])),
        "ttl": draw(st.none() | st.integers(0, 6)),
        "seed": draw(st.integers(0, 2**64 - 1)),
    }
    step, calls = 0, []
    for _ in range(draw(st.integers(1, 8))):
        step += draw(st.integers(0, 4))
        kind = draw(
            st.sampled_from(["admit", "admit", "admit", "find", "expire", "file", "pickle"])
        )
        calls.append((kind, draw(keys) if kind in ("admit", "find") else None, step))
    return arguments, calls, draw(st.integers(0, 2**32))


def again(vocabulary, way, folder):
    if way == "pickle":
        return pickle.loads(pickle.dumps(vocabulary))
    vocabulary.save(folder / "v.safetensors")
    return lp.Vocabulary.load(folder / "v.safetensors")


@given(streams())
@settings(max_examples=200)
def test_is_the_oracle(tmp_path_factory, stream):
    arguments, calls, _ = stream
    vocabulary, oracle = lp.Vocabulary(**arguments), naive.Vocabulary(**arguments)
    for kind, keys, step in calls:
        if kind == "admit":
            check_admit(vocabulary, oracle, keys, step)
        elif kind == "find":
            same(vocabulary.find(keys), oracle.find(keys))
        elif kind == "expire":
            same(vocabulary.expire(step), oracle.expire(step))
        else:
            vocabulary = again(vocabulary, kind, tmp_path_factory.getbasetemp())
        agree(vocabulary, oracle)


@given(streams())
def test_the_order_of_a_batch_means_nothing(stream):
    arguments, calls, seed = stream
    one, other = lp.Vocabulary(**arguments), lp.Vocabulary(**arguments)
    rng = np.random.default_rng(seed)
    for kind, keys, step in calls:
        if kind == "admit":
            order = rng.permutation(len(keys))
            first = one.admit(keys, step)
            second = other.admit([keys[i] for i in order], step)
            same(first[0][order], second[0])
            same(first[1], second[1])
            same(first[2], second[2])
        elif kind == "expire":
            same(one.expire(step), other.expire(step))
    assert one.refused == other.refused


def stream_of(vocabulary, batches=12, size=4000, **kwargs):
    """All that a vocabulary gives for a stream of keys of which new ones come and old ones go."""
    found = []
    for step in range(batches):
        rng = np.random.default_rng(step)
        keys = (rng.pareto(1.0, size) * 50).astype(np.int64) % 100_000 + step * 20
        found += vocabulary.admit(rng.permutation(keys), step)
        if step % 4 == 3:
            found.append(vocabulary.expire(step))
    return [array.tolist() for array in found], vocabulary.refused


@pytest.mark.parametrize("arguments", [(3000, 1, 3), (1500, 3, 5), (700, 1, None)])
def test_threads_mean_nothing(arguments, monkeypatch):
    monkeypatch.setattr(launch, "NUMBERS_PER_THREAD", 1)
    before, found = numba.get_num_threads(), []
    try:
        for threads in {1, before}:
            numba.set_num_threads(threads)
            found.append(stream_of(lp.Vocabulary(*arguments)))
    finally:
        numba.set_num_threads(before)
    assert found[0] == found[-1]
    monkeypatch.undo()
    assert found[0] == stream_of(lp.Vocabulary(*arguments))
    if arguments[0] == 700:
        assert found[0][1] > 0  # some were refused


def test_a_large_stream_is_the_oracle():
    """The table of keys grows several times, and keys are removed from the middle of others."""
    vocabulary, oracle = lp.Vocabulary(9000, 2, 6, seed=5), naive.Vocabulary(9000, 2, 6, seed=5)
    rng = np.random.default_rng(1)
    for step in range(6):
        keys = rng.integers(0, 2500, 3000, dtype=np.uint64) + np.uint64(900 * step)
        found = vocabulary.admit(keys, 3 * step)
        same(vocabulary.find(keys), found[0])
        oracle_rows = oracle.admit(keys.tolist(), 3 * step)
        for mine, its in zip(found, oracle_rows, strict=True):
            same(mine, its)
        if step % 2:
            same(vocabulary.expire(3 * step + 2), oracle.expire(3 * step + 2))
        everything = np.arange(2500 + 900 * 6)
        same(vocabulary.find(everything), oracle.find(everything.tolist()))


@pytest.mark.parametrize("where", [0, 700, 2044])
def test_keys_of_one_slot(where):
    """They are told apart, and found after others of them are removed; also around the end."""
    slots, seed, keys = 2048, 3, []  # as there are slots at first
    candidate = 0
    while len(keys) < 12:
        if (naive.home(candidate, seed, slots) - where) % slots in (0, 4):
            keys.append(candidate)
        candidate += 1
    vocabulary = lp.Vocabulary(5000, ttl=0, seed=seed)
    assert vocabulary.admit([1])[0] == 1
    assert vocabulary.nbytes == slots * 16
    vocabulary.expire(1)
    rng = np.random.default_rng(where)
    for step in range(1, 60):
        kept = rng.permutation(keys)[: rng.integers(1, 12)]
        vocabulary.admit(keys, 2 * step)
        same(vocabulary.find(keys) > 0, [True] * 12)
        vocabulary.admit(kept, 2 * step + 1)
        assert len(vocabulary.expire(2 * step + 1)) == 12 - len(kept)
        same(vocabulary.find(keys) > 0, [key in kept for key in keys])
        assert len(vocabulary) == len(kept)


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


# --- copies and files ---


@pytest.fixture
def path(tmp_path):
    return tmp_path / "v.safetensors"


def made(kind="integers", **arguments):
    vocabulary = lp.Vocabulary(
        **{"capacity": 300, "min_count": 2, "ttl": 4, "seed": 9, **arguments}
    )
    for step in range(8):
        keys = np.random.default_rng(step).integers(0, 60, 50) + 15 * step
        vocabulary.admit(keys if kind == "integers" else keys.astype("U"), step)
        vocabulary.expire(step)
    return vocabulary


def goes_on(vocabulary):
    """What it gives from now on."""
    assert vocabulary._kind == "integers"
    found = []
    for step in range(8, 12):
        keys = np.random.default_rng(step).integers(0, 60, 50) + 15 * step
        found += [*vocabulary.admit(keys, step), vocabulary.expire(step)]
    return [array.tolist() for array in found]


@pytest.mark.parametrize("way", ["load", "lp.load", "mmap", "pickle", "copy", "deepcopy"])
def test_it_goes_on_exactly(way, path):
    vocabulary = made()
    vocabulary.save(path)
    twin = {
        "load": lambda: lp.Vocabulary.load(path),
        "lp.load": lambda: lp.load(path),
        "mmap": lambda: lp.load(path, mmap=True, verify=False),
        "pickle": lambda: pickle.loads(pickle.dumps(vocabulary)),
        "copy": lambda: copy.copy(vocabulary),
        "deepcopy": lambda: copy.deepcopy(vocabulary),
    }[way]()
    assert repr(twin) == repr(vocabulary)
    assert (len(twin), twin.refused) == (len(vocabulary), vocabulary.refused)
    before = path.read_bytes()
    expected = goes_on(twin)
    assert path.read_bytes() == before
    assert len(twin) != len(vocabulary)  # they share nothing
    assert goes_on(vocabulary) == expected


@pytest.mark.parametrize("kind", ["integers", "strings", None])
def test_equal_vocabularies_have_equal_files(kind, path):
    vocabulary = made(kind) if kind else lp.Vocabulary(10)
    vocabulary.save(path)
    before = path.read_bytes()
    lp.load(path).save(path)
    assert path.read_bytes() == before


def test_refused_is_in_the_file(path):
    vocabulary = lp.Vocabulary(3)
    vocabulary.admit(range(9))
    vocabulary.save(path)
    assert lp.load(path).refused == vocabulary.refused == 7


def test_a_device_is_none_of_its(path):
    lp.Vocabulary(3).save(path)
    with pytest.raises((ValueError, RuntimeError), match=r"always on the CPU|cannot be used"):
        lp.load(path, device="cuda")


@given(data=st.data())
def test_every_flipped_bit_is_seen(data, tmp_path_factory):
    """Or changes nothing: JSON has bytes that mean nothing."""
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    made("strings", min_count=1).save(path)
    sound = path.read_bytes()
    damaged = bytearray(sound)
    damaged[data.draw(st.integers(0, len(sound) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    try:
        found = lp.load(path)
    except lp.CheckpointError:
        return
    found.save(path)
    assert path.read_bytes() == sound


def rewritten(vocabulary, path, change_state=None, change_arrays=None):
    """A file with a checksum that fits, of what is not so."""
    from lowprec.files.writing import write

    state, arrays = vocabulary._contents()
    (change_state or dict)(state)
    (change_arrays or dict)(arrays)
    write(path, "Vocabulary", state, arrays)


@pytest.mark.parametrize(
    ("state", "arrays", "message"),
    [
        (lambda s: s.update(capacity=0), None, "capacity must be in"),
        (lambda s: s.update(capacity=40), None, "'rows' are not ascending rows of its capacity"),
        (lambda s: s.pop("ttl"), None, "lacks 'ttl'"),
        (lambda s: s.update(holds="numbers"), None, "lacks 'numbers'"),
        (lambda s: s.update(holds=None), None, "unexpected array"),
        (lambda s: s.update(holds="strings", text_hash_version=1), None, "'keys' is uint64"),
        (lambda s: s.update(holds="strings", text_hash_version=2), None, "version 2 of the text"),
        (lambda s: s.update(refused=-1), None, "refused must be"),
        (lambda s: s.update(min_count=400), None, "'counts' is uint8"),
        (lambda s: s.update(min_count=1), None, "unexpected array 'counts'"),
        (lambda s: s.update(counts_begun="0"), None, "counts_begun must be an integer"),
        (None, lambda a: a.update(rows=a["rows"][::-1]), "'rows' are not ascending"),
        (None, lambda a: a.update(rows=a["rows"] - a["rows"][0]), "'rows' are not ascending"),
        (None, lambda a: a["keys"].__setitem__(3, a["keys"][1]), "has two rows"),
        (None, lambda a: a.pop("steps"), "lacks the array 'steps'"),
        (None, lambda a: a.update(steps=a["steps"][1:]), "'steps' is uint32"),
    ],
)
def test_lies_are_refused(state, arrays, message, path):
    rewritten(made(), path, state, arrays)
    with pytest.raises(lp.CheckpointError, match=message):
        lp.Vocabulary.load(path)


def test_the_file_of_something_else(path):
    lp.EmbeddingTable(3, 2).save(path)
    with pytest.raises(lp.CheckpointError, match="holds a EmbeddingTable, not a Vocabulary"):
        lp.Vocabulary.load(path)
