"""`lowprec.mpi.ShardedTable`, its ranks threads of this process: the bits of one table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests import naive
from tests.mpi import training
from tests.mpi.communicators import on_ranks, results
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


BAD = {  # what one rank gives: (arguments of update, the error, its message)
    "id": (([[0, 31]], np.ones((1, 2, 19))), IndexError, r"indices\[0, 1\] = 31 is out of range"),
    "shape": (([[0, 0]], np.ones((1, 2, 18))), ValueError, "shape of the lookup"),
    "dtype": (([[0.5, 0]], np.ones((1, 2, 19))), TypeError, "integers"),
    "nan": (([[0, 0]], np.full((1, 2, 19), np.nan)), FloatingPointError, "is nan"),
    "sum": (([[0, 0]] * 2, np.full((2, 2, 19), 2e38)), FloatingPointError, "overflow float32"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_of_one_rank(name):
    """All raise it, also where only an owner sees it; nothing is changed, and training goes on."""
    given, kind, message = BAD[name]
    good = ([[3, 4]], np.ones((1, 2, 19), np.float32))

    def run(comm):
        table = lp.mpi.ShardedTable(comm, **training.arguments("one id"))
        table.update(*good)
        before = bits(table.table.weight)
        with pytest.raises(kind, match=rf"^rank \d: .*{message}") as caught:
            table.update(*(given if comm.rank == 1 else good))
        if name in ("id", "dtype"):
            with pytest.raises(kind, match=message):
                table.lookup(given[0] if comm.rank == 1 else good[0])
        assert bits(table.table.weight) == before
        assert table.step == 1
        table.update(*good)
        assert table.step == 2
        return str(caught.value)

    assert len(set(results(3, run))) == 1


def test_nonfinite_gradients_are_skipped():
    def arguments():
        return training.arguments("one id") | {"on_nonfinite": "skip"}

    ids, grad = np.array([[3, 4], [5, 6], [3, 7]]), np.ones((3, 2, 19), np.float32)
    grad[2, 0, 5] = np.inf
    one = lp.EmbeddingTable(**arguments())
    one.update(ids, grad)

    def run(comm):
        table = lp.mpi.ShardedTable(comm, **arguments())
        own = slice(0, 2) if comm.rank == 0 else slice(2, 3)
        table.update(ids[own], grad[own])
        return table

    found = results(2, run)
    assert sum(table.table.skipped_rows for table in found) == one.skipped_rows == 1
    assert digest_of(found) == training.digest_of(one)


def test_ranks_that_differ():
    """In their arguments, in their pooling, and in the number of rows they would have."""

    def seeds(comm):
        return lp.mpi.ShardedTable(comm, 50, 4, seed=int(comm.rank == 2))

    def poolings(comm):
        table = lp.mpi.ShardedTable(comm, 50, 4)
        table.update([1], np.ones((1, 4)), [0, 1], "mean" if comm.rank else "sum")

    def weights(comm):
        table = lp.mpi.ShardedTable(comm, 50, 4)
        table.update([1], np.ones((1, 4)), None, "sum", [2.0] if comm.rank else None)

    for run, message in (
        (seeds, "rank 2 was given others"),
        (poolings, "pooling must be given alike"),
        (weights, "per_sample_weights must be given alike"),
        (lambda comm: lp.mpi.ShardedTable(comm, 2, 4), "rank 2: .* has no rows"),
        (lambda comm: lp.mpi.ShardedTable(comm, 50, 4, wire="int8"), "wire"),
    ):
        found = on_ranks(3, run)
        assert all(isinstance(error, ValueError) for error in found)
        for error in found:
            with pytest.raises(ValueError, match=message):
                raise error


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
