"""`Vocabulary` against a dict, in streams of random batches."""

import pickle

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
