"""Shards: each has the rows, and the random bits, of the whole table."""

import copy

import numpy as np
import pytest

import lowprec as lp
from tests.mpi import training
from tests.tables.small import bits

SIZES, OF = training.SIZES, 3
ROWS = sum(SIZES)
SHARDS = [lp.Shard(rank, OF) for rank in range(OF)]


def tables(name):
    """The whole table of a case of training, and its shards."""
    given = training.arguments(name)
    return lp.EmbeddingTable(**given), [lp.EmbeddingTable(**given, shard=s) for s in SHARDS]


def arrays(table):
    return {"weight": table.weight, **table.optimizer_state}


def assert_parts(whole, shards):
    for rank, shard in enumerate(shards):
        assert shard.step == whole.step
        for name, array in arrays(whole).items():
            assert bits(arrays(shard)[name]) == bits(array[rank::OF]), name


def of_shard(rank, ids, offsets, weights):
    """The ids of a shard's rows, in the bags that they are in."""
    bags = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    kept = (ids + np.array([0, SIZES[0]])[bags % 2]) % OF == rank
    bounds = np.concatenate([[0], np.cumsum(np.bincount(bags[kept], minlength=len(offsets) - 1))])
    return ids[kept], bounds, None if weights is None else weights[kept]


def both_step(whole, shards, name, step):
    bags, _, weighted = training.CASES[name][1]
    (ids, offsets, _, weights), grad = training.batch_of(step, bags, "sum", weighted)
    whole.update(ids, grad, offsets, "sum", weights)
    for rank, shard in enumerate(shards):
        own, bounds, of_own = of_shard(rank, ids, offsets, weights)
        shard.update(own, grad, bounds, "sum", of_own)
    return ids, offsets, weights, grad


@pytest.mark.parametrize("name", ["one id", "sum", "weighted"])
def test_shards_have_the_bits_of_the_whole(name):
    """Initial weights, updates, `write` and `reset`."""
    whole, shards = tables(name)
    assert [len(shard.weight) for shard in shards] == [244, 244, 243]
    assert_parts(whole, shards)
    for step in range(3):
        ids = both_step(whole, shards, name, step)[0]
    if name != "one id":
        assert np.unique(ids, return_counts=True)[1].max() > 128
    assert_parts(whole, shards)
    rng = np.random.default_rng(5)
    rows = rng.permutation(ROWS)[:200]
    values = rng.normal(size=(200, training.DIM)).astype(np.float32)
    whole.write(rows, values, "stochastic")
    whole.reset(rows[:50], rows[:50] * 7)
    for rank, shard in enumerate(shards):
        own = rows % OF == rank
        shard.write(rows[own], values[own], "stochastic")
        shard.reset(rows[:50][own[:50]], rows[:50][own[:50]] * 7)
        assert bits(shard.read(rows[own])) == bits(whole.read(rows[own]))
    assert_parts(whole, shards)


def test_diagnose():
    """What the shards tell of an update adds up to what the whole does."""
    whole, shards = tables("one id")
    ids, offsets, weights, grad = both_step(whole, shards, "one id", 0)
    for most in (None, 1000):
        expected = whole.diagnose(ids, grad, offsets, "sum", weights, max_numbers=most)
        found = [
            shard.diagnose(own, grad, bounds, "sum", of_own, max_numbers=most)
            for rank, shard in enumerate(shards)
            for own, bounds, of_own in [of_shard(rank, ids, offsets, weights)]
        ]
        if most is None:
            total = sum(found[1:], found[0])
            assert (total.rows, total.steps, total.lost) == (
                expected.rows, expected.steps, expected.lost
            )  # fmt: skip
            assert total.mean_error == pytest.approx(expected.mean_error)
        else:
            assert all(0 < report.rows * training.DIM < 1500 for report in found)


def test_lookup_and_copies():
    whole, shards = tables("one id")
    ids = np.arange(700).reshape(-1, 1)  # of feature 0
    for rank, shard in enumerate(shards):
        own = ids[ids[:, 0] % OF == rank]
        pooled = shard.lookup(own[:, 0], np.repeat(np.arange(len(own) + 1), 2)[1:])
        assert bits(pooled[:, 0]) == bits(whole.lookup(np.c_[own, 0 * own])[:, 0])
        for twin in (copy.deepcopy(shard), shard.to("cpu")):
            assert twin.shard == shard.shard
            assert bits(twin.read([rank])) == bits(whole.read([rank]))
        again = shard.astype("float8_e4m3fn", "stochastic")
        assert bits(again.weight) == bits(
            whole.astype("float8_e4m3fn", "stochastic").weight[rank::OF]
        )
    assert repr(shards[1]).endswith("shard=Shard(rank=1, of=3))")


def test_a_shard_in_a_file(tmp_path):
    whole, shards = tables("one id")
    both_step(whole, shards, "one id", 0)
    shards[2].save(tmp_path / "t.safetensors")
    shards[2] = lp.load(tmp_path / "t.safetensors")
    assert shards[2].shard == SHARDS[2]
    both_step(whole, shards, "one id", 1)
    assert_parts(whole, shards)


def test_another_shards_rows():
    """An IndexError that says where it belongs; nothing is changed."""
    _, shards = tables("one id")
    table, grad = shards[0], np.ones((2, 2, training.DIM), np.float32)
    before = bits(table.weight)
    message = r"indices\[1, 0\] = 4 is row 4 of the table, which belongs to shard 1 of 3"
    wrong = np.array([[3, 2], [4, 2]])  # row 702 is of shard 0
    for call in (lambda: table.lookup(wrong), lambda: table.update(wrong, grad)):
        with pytest.raises(IndexError, match=message):
            call()
    for call in (
        lambda: table.read([0, 701]),
        lambda: table.write([0, 701], np.zeros((2, training.DIM))),
        lambda: table.reset([0, 701], [1, 2]),
    ):
        with pytest.raises(IndexError, match=r"rows\[1\] = 701 belongs to shard 2 of 3"):
            call()
    with pytest.raises(IndexError, match="out of range"):
        table.read([731])
    assert bits(table.weight) == before
    assert table.step == 0
    padded = lp.EmbeddingTable(9, 2, padding_idx=-1, shard=lp.Shard(0, 2))
    with pytest.raises(IndexError, match=r"indices\[2\] = 5 is row 5"):
        padded.lookup(np.array([-1, 4, 5]))
    assert not padded.lookup(np.array([-1])).any()


def test_what_is_no_shard():
    for rank, of in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="must be"):
            lp.Shard(rank, of)
    with pytest.raises(TypeError, match="rank"):
        lp.Shard(0.5, 2)
    with pytest.raises(TypeError, match="shard must be"):
        lp.EmbeddingTable(10, 4, shard=(0, 2))
    with pytest.raises(ValueError, match="has no rows"):
        lp.EmbeddingTable(2, 4, shard=lp.Shard(2, 3))
    with pytest.raises(ValueError, match="shape"):
        lp.EmbeddingTable(4, 2, shard=lp.Shard(0, 2), init=np.zeros((4, 2)))
    made = lp.EmbeddingTable(4, 2, shard=lp.Shard(1, 2), init=[[1, 2], [3, 4]])
    assert made.read([3]).tolist() == [[3, 4]]


@pytest.mark.parametrize("name", ["one id", "weighted"])
def test_shards_in_files(name, tmp_path):
    """The bits of shards in memory, also of rows that nobody touched; the file knows its shard."""
    whole, _ = tables(name)
    given = training.arguments(name)
    paths = [tmp_path / f"{rank}.table" for rank in range(OF)]
    shards = [
        lp.EmbeddingTable(**given, shard=s, path=p) for s, p in zip(SHARDS, paths, strict=True)
    ]
    for step in range(2):
        both_step(whole, shards, name, step)
    rows = np.arange(ROWS)
    for rank, shard in enumerate(shards):
        some = rows[rank::OF][5:9]
        for table in (whole, shard):
            table.reset(some, some + 100)
    for shard in shards:
        shard.close()
    for rank, path in enumerate(paths):
        with lp.EmbeddingTable(**given, shard=SHARDS[rank], path=path) as shard:
            assert shard.step == 2
            assert bits(shard.read(rows[rank::OF])) == bits(whole.read(rows[rank::OF]))
            for state, array in shard.optimizer_state.items():
                assert bits(array) == bits(whole.optimizer_state[state][rank::OF])
            shard.save(tmp_path / "saved")
        assert bits(lp.load(tmp_path / "saved").weight) == bits(whole.weight[rank::OF])
    for shard in (None, SHARDS[1]):
        with pytest.raises(ValueError, match=r"shard=\[0, 3\] and not"):
            lp.EmbeddingTable(**given, shard=shard, path=paths[0])
