"""`lowprec.mpi.ShardedTable`, its ranks threads of this process: the bits of one table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests import naive
from tests.mpi import training
from tests.mpi.communicators import results
from tests.tables.small import bits

RANKS = [1, 2, 3]


def on_all(size, name, steps=range(training.STEPS), **kwargs):
    """[(table, what it looked up)] of all ranks, after training."""

    def run(comm):
        table = lp.mpi.ShardedTable(comm, **training.arguments(name), **kwargs)
        return table, training.train(table, name, comm.rank, comm.size, steps), table.gather()

    return results(size, run)


def digest_of(tables):
    """Of the shards of all ranks, as of the whole table."""
    size = len(tables)

    def whole(arrays):
        found = np.empty((sum(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
        for rank, array in enumerate(arrays):
            found[rank::size] = array
        return found

    states = {
        name: whole([t.table.optimizer_state[name] for t in tables])
        for name in tables[0].table.optimizer_state
    }
    return training.digest(whole([t.table.weight for t in tables]), states)


@pytest.mark.parametrize("name", training.CASES)
def test_bits_are_those_of_one_process(name):
    """Weights, states and lookups; some runs of equal ids are long, some ranks have no samples."""
    one, seen = training.in_one_process(name)
    for size in RANKS:
        found = on_all(size, name)
        assert digest_of([table for table, _, _ in found]) == training.digest_of(one)
        for step, expected in enumerate(seen):
            assert bits(np.concatenate([out[step] for _, out, _ in found])) == bits(expected)
        assert bits(found[0][2]) == bits(one.weight)
        assert all(gathered is None for _, _, gathered in found[1:])
        assert (found[0][0].bytes_sent > 0) == (size > 1)
    sizes = [training.samples_of(rank, 3, 1) for rank in range(3)]
    assert any(first == last for first, last in sizes)


def rounded(grad, seed, step):
    """Gradients (bags, columns) on a float16 wire, from the specification."""
    out = np.empty(grad.shape, np.float16)
    for number, value in enumerate(grad.reshape(-1)):
        key = naive.row_key(seed, 5, step, number // 1024)
        draw = naive.draw(key, number % 1024, 13)
        out.reshape(-1)[number] = naive.round_stochastic(value, draw, "float16")
    return out.astype(np.float32)


@pytest.mark.parametrize("size", RANKS)
def test_a_float16_wire(size):
    """Gradients are rounded by the number of their bag, so all numbers of ranks agree."""
    rng = np.random.default_rng(0)
    one = lp.EmbeddingTable(50, 19, seed=4, optimizer=lp.SGD(0.5))
    batches = [
        (rng.integers(0, 50, (60, 1)), rng.normal(size=(60, 1, 19)).astype(np.float32))
        for _ in range(2)
    ]
    for step, (ids, grad) in enumerate(batches):
        one.update(ids, rounded(grad.reshape(60, 19), 4, step).reshape(grad.shape))

    def run(comm):
        table = lp.mpi.ShardedTable(comm, 50, 19, seed=4, optimizer=lp.SGD(0.5), wire="float16")
        bounds = [0, *sorted({7, 41, 60} - ({7} if size == 2 else set()))]
        bounds = [0, 60] if size == 1 else bounds
        own = slice(bounds[comm.rank], bounds[comm.rank + 1])
        for ids, grad in batches:
            table.update(ids[own], grad[own])
        sent = table.bytes_sent
        with pytest.raises(FloatingPointError, match=r"rank 0: grad of bag 0, column 0 .*float16"):
            table.update([[1]], np.full((1, 1, 19), 1e5))
        return table, sent

    found = results(size, run)
    assert digest_of([table for table, _ in found]) == training.digest_of(one)
    assert all(table.step == 2 for table, _ in found)


def test_two_calls():
    """What is computed between them changes nothing, nor does what is written to the arguments."""
    name = "weighted"
    one, seen = training.in_one_process(name)

    class InTwoCalls:
        def __init__(self, table):
            self._table = table

        def lookup(self, *given):
            pending = self._table.begin_lookup(*given)
            for busy in (self._table.begin_lookup, self._table.lookup):
                with pytest.raises(RuntimeError, match="begun before"):
                    busy(*given)
            with pytest.raises(RuntimeError, match="begun before"):
                self._table.gather()
            out = pending.finish()
            with pytest.raises(RuntimeError, match="finished before"):
                pending.finish()
            return out

        def update(self, indices, grad, offsets, pooling, weights):
            given = [np.array(each) for each in (indices, grad, offsets)], np.array(weights)
            (indices, grad, offsets), weights = given
            pending = self._table.begin_update(indices, grad, offsets, pooling, weights)
            for array in (indices, grad, weights):
                array[...] = 0
            assert not pending.finished
            assert pending.finish() is None
            assert pending.finished

    def run(comm):
        table = lp.mpi.ShardedTable(comm, **training.arguments(name))
        return table, training.train(InTwoCalls(table), name, comm.rank, comm.size)

    found = results(3, run)
    assert digest_of([table for table, _ in found]) == training.digest_of(one)
    for step, expected in enumerate(seen):
        assert bits(np.concatenate([out[step] for _, out in found])) == bits(expected)


def test_gradients_of_bags_without_ids_are_checked():
    """As one process does, though they are not sent."""
    grad = np.ones((2, 1, 19), np.float32)
    grad[1, 0, 3] = np.inf
    given = [3], grad[:, 0], [0, 1, 1]

    def run(comm):
        table = lp.mpi.ShardedTable(comm, 50, 19)
        with pytest.raises(FloatingPointError, match="column 3 is inf"):
            table.update(*given)
        return table.step

    assert results(2, run) == [0, 0]
    with pytest.raises(FloatingPointError, match="column 3 is inf"):
        lp.EmbeddingTable(50, 19).update(*given)


def test_half_the_bytes():
    sent = {
        wire: sum(table.bytes_sent for table, _, _ in on_all(2, "one id", range(1), wire=wire))
        for wire in ("float32", "float16")
    }
    assert 0.6 < sent["float16"] / sent["float32"] < 0.75  # rows travel in two bytes anyway


def test_bags_across_features_and_padding():
    rng = np.random.default_rng(1)
    ids = rng.integers(-1, [700, 31], (40, 2))
    grad = rng.normal(size=(40, 19)).astype(np.float32)
    given = training.arguments("one id") | {"padding_idx": -1}
    one = lp.EmbeddingTable(**given)
    expected = one.lookup(ids, across_features=True)
    one.update(ids, grad, across_features=True)

    def run(comm):
        table = lp.mpi.ShardedTable(comm, **given)
        own = slice(0, 31) if comm.rank == 0 else slice(31, 40)
        out = table.lookup(ids[own], across_features=True)
        table.update(ids[own], grad[own], across_features=True)
        return table, out

    found = results(2, run)
    assert bits(np.concatenate([out for _, out in found])) == bits(expected)
    assert digest_of([table for table, _ in found]) == training.digest_of(one)


def test_what_is_no_communicator():
    with pytest.raises(TypeError, match="communicator of mpi4py"):
        lp.mpi.ShardedTable(None, 10, 4)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 5), st.booleans(), st.sampled_from(["sum", "mean"]))
def test_any_batch(seed, size, weighted, pooling):
    """Tables of any shape, bags of any sizes, cut among the ranks anywhere."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 40, rng.integers(1, 4))
    sizes[0] += size  # a row for each rank
    samples, features, dim = int(rng.integers(0, 30)), len(sizes), int(rng.choice([1, 3, 16, 20]))
    counts = rng.integers(0, rng.integers(1, 9), samples * features)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    ids = rng.integers(0, sizes[np.repeat(np.arange(samples * features) % features, counts)])
    weights = rng.normal(size=ids.size).astype(np.float32) if weighted else None
    grad = rng.normal(size=(samples, features, dim)).astype(np.float32)
    bounds = [0, *sorted(rng.integers(0, samples + 1, size - 1).tolist()), samples]
    given_to_all = {"num_embeddings": sizes.tolist(), "embedding_dim": dim, "seed": seed}
    one = lp.EmbeddingTable(**given_to_all, optimizer=lp.SGD(0.5))
    expected = one.lookup(ids, offsets, pooling, weights)
    for _ in range(2):
        one.update(ids, grad, offsets, pooling, weights)

    def run(comm):
        table = lp.mpi.ShardedTable(comm, **given_to_all, optimizer=lp.SGD(0.5))
        first, last = bounds[comm.rank], bounds[comm.rank + 1]
        own = offsets[first * features : last * features + 1]
        part = slice(own[0], own[-1])
        batch = own - own[0], pooling, None if weights is None else weights[part]
        out = table.lookup(ids[part], *batch)
        for _ in range(2):
            table.update(ids[part], grad[first:last], *batch)
        return table, out, table.gather()

    found = results(size, run)
    assert bits(np.concatenate([out for _, out, _ in found])) == bits(expected)
    assert bits(found[0][2]) == bits(one.weight)
    assert {table.step for table, _, _ in found} == {2}
