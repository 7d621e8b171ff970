"""A training that any number of ranks shares; run by mpiexec, it prints the digests of its tables.

mpiexec -n 3 python -m tests.mpi.training FOLDER
"""

import hashlib
import json
import sys

import numpy as np

import lowprec as lp

SIZES, DIM, SAMPLES, STEPS = [700, 31], 19, 300, 4
# what a table is, and its batches: whether bags have several ids, how they are pooled, weights
CASES = {
    "one id": ({"optimizer": lp.SGD(0.5)}, (False, "sum", False)),
    "sum": ({"optimizer": lp.SGD(0.5), "dtype": "bfloat16"}, (True, "sum", False)),
    "mean": ({"optimizer": lp.RowWiseAdagrad(0.2), "dtype": "bfloat16"}, (True, "mean", False)),
    "weighted": (
        {"optimizer": lp.Adam(0.05, state_dtype="bfloat16", weight_decay=0.1, decay="catch_up")},
        (True, "sum", True),
    ),
}


def batch_of(step, bags, pooling, weighted):
    """(ids, offsets, pooling, weights) of all samples, and targets; many ids are equal."""
    rng = np.random.default_rng([9, step])
    sizes = rng.integers(0, 7, SAMPLES * 2) if bags else np.ones(SAMPLES * 2, int)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    limits = np.array(SIZES)[np.repeat(np.arange(SAMPLES * 2) % 2, sizes)]
    ids = np.minimum((rng.pareto(0.7, offsets[-1]) * 3).astype(np.int64), limits - 1)
    weights = rng.normal(size=ids.size).astype(np.float32) if weighted else None
    target = rng.normal(size=(SAMPLES, 2, DIM)).astype(np.float32)
    return (ids, offsets, pooling, weights), target


def part_of(batch, first, last, bags):
    """The samples from `first` to `last`."""
    (ids, offsets, pooling, weights), target = batch
    start, stop = offsets[2 * first], offsets[2 * last]
    weights = None if weights is None else weights[start:stop]
    if not bags:
        return (ids[start:stop].reshape(-1, 2), None, pooling, weights), target[first:last]
    bounds = offsets[2 * first : 2 * last + 1] - start
    return (ids[start:stop], bounds, pooling, weights), target[first:last]


def samples_of(rank, size, step):
    """Which samples a rank has: unequal numbers, and at some steps none."""
    rng = np.random.default_rng([size, step])
    bounds = np.sort(rng.integers(0, SAMPLES + 1, size + 1))
    bounds[0], bounds[-1] = 0, SAMPLES
    if step % 2:  # one rank has none
        bounds[size - 1] = bounds[size - 2]
    return int(bounds[rank]), int(bounds[rank + 1])


def train(table, name, rank=0, size=1, steps=range(STEPS)):
    """What was looked up at each step."""
    bags, pooling, weighted = CASES[name][1]
    seen = []
    for step in steps:
        first, last = samples_of(rank, size, step) if size > 1 else (0, SAMPLES)
        given, target = part_of(batch_of(step, bags, pooling, weighted), first, last, bags)
        out = table.lookup(*given)
        seen.append(out)
        table.update(given[0], (out - target) * np.float32(0.3), *given[1:])
    return seen


def arguments(name):
    return {"num_embeddings": SIZES, "embedding_dim": DIM, "seed": 3, "init_range": 0.1} | (
        CASES[name][0]
    )


def digest(weight, states):
    """Of weights and states of the whole table."""
    found = hashlib.sha256(np.ascontiguousarray(weight).tobytes())
    for name in sorted(states):
        found.update(np.ascontiguousarray(states[name]).tobytes())
    return found.hexdigest()[:16]


def digest_of(table):
    return digest(table.weight, table.optimizer_state)


def in_one_process(name, steps=range(STEPS)):
    table = lp.EmbeddingTable(**arguments(name))
    return table, train(table, name, steps=steps)


def main(folder):
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    found = {}
    for name in CASES:
        table = lp.mpi.ShardedTable(comm, **arguments(name))
        train(table, name, comm.rank, comm.size)
        table.save(f"{folder}/{name}")
        whole = table.gather()
        if comm.rank == 0:
            saved = lp.EmbeddingTable.load(f"{folder}/{name}")
            assert (saved.weight == whole).all()
            found[name] = digest_of(saved)
    table.lookup([[0, 0]] if comm.rank else np.empty((0, 2), int))
    try:  # the last rank alone gives an id that is out of range
        table.update([[700, 0]] if comm.rank == comm.size - 1 else [[0, 0]], np.ones((1, 2, DIM)))
    except IndexError as error:
        found["error"] = str(error)
    found["step"] = table.step
    everything = comm.gather((found.pop("error"), table.step))
    assert comm.rank or len(set(everything)) == 1
    if comm.rank == 0:
        print(json.dumps(found | {"error": everything[0][0]}))


if __name__ == "__main__":
    main(sys.argv[1])
