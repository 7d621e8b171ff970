"""Vocabularies in files, and their copies."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lowprec as lp


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
