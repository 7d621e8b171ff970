"""What one rank gives wrongly is an error of all, and changes nothing."""

import numpy as np
import pytest

import lowprec as lp
from tests.mpi import training
from tests.mpi.communicators import on_ranks, results
from tests.mpi.test_sharded import digest_of
from tests.tables.small import bits

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
