"""Models that any number of ranks trains; run by mpiexec, it prints their digests.

mpiexec -n 3 python -m tests.mpi.models FOLDER
"""

import hashlib
import json
import sys

import numpy as np

import lowprec as lp

SIZES, SAMPLES, BATCH = [300, 40], 1500, 600
CASES = ("dlrm", "logistic", "bags")
DENSE_LAYERS = {"bottom_mlp": (16,), "top_mlp": (24, 8), "embedding_dim": 8}


def model_of(name, **kwargs):
    given = {"batch_size": BATCH, "epochs": 2, "seed": 3} | kwargs
    if name == "logistic":
        return lp.LogisticRegression(SIZES, **given)
    if name == "bags":
        return lp.DLRM(
            SIZES, **DENSE_LAYERS, dtype="bfloat16", interaction="cat",
            optimizer=lp.Adam(0.01, state_dtype="bfloat16"), **given,
        )  # fmt: skip
    return lp.DLRM(SIZES, **DENSE_LAYERS, **{"optimizer": lp.RowWiseAdagrad(0.1)} | given)


def data_of(name):
    """X, y and sample weights; the last batch of an epoch is smaller than a part of one."""
    (dense, ids), y, _ = lp.datasets.make_clicks(SAMPLES + 300, SIZES, num_dense=5, seed=1)
    if name != "bags":
        return (dense, ids), y, None
    rng = np.random.default_rng(2)
    sizes = rng.integers(0, 4, len(y) * 2)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    many = rng.integers(0, np.array(SIZES)[np.repeat(np.arange(len(y) * 2) % 2, sizes)])
    weights = rng.normal(size=many.size).astype(np.float32)
    return lp.Samples(dense, many, offsets, weights), y, rng.uniform(0.5, 2.0, len(y))


def rows_of(X, rows):
    return tuple(each[rows] for each in X) if isinstance(X, tuple) else X[rows]


def split(name):
    """(X, y, weights) to train on, and (X, y) to validate on."""
    X, y, weights = data_of(name)
    train, rest = slice(SAMPLES), slice(SAMPLES, None)
    weights = None if weights is None else weights[train]
    return (rows_of(X, train), y[train], weights), (rows_of(X, rest), y[rest])


def digest(model, weight, probabilities):
    """Of the table's weights, all dense parameters and their states, the losses, predictions."""
    found = hashlib.sha256(np.ascontiguousarray(weight).tobytes())
    for parameter, states in zip(
        model._named_parameters().values(), model._dense_states, strict=True
    ):
        for array in (parameter, *states.values()):
            found.update(array.tobytes())
    found.update(json.dumps(model.history_).encode())
    found.update(probabilities.tobytes())
    return found.hexdigest()[:16]


def in_one_process(name, **kwargs):
    train, validation = split(name)
    model = model_of(name).fit(*train, validation=validation, **kwargs)
    return digest(model, model.table_.weight, model.predict_proba(validation[0]))


def on_ranks(comm, name, **kwargs):
    """The digest on the first rank, and None on the others."""
    train, validation = split(name)
    model = model_of(name).fit(*train, validation=validation, comm=comm, **kwargs)
    probabilities = model.predict_proba(validation[0], comm=comm)
    weight = model.table_.gather()
    return None if weight is None else digest(model, weight, probabilities)


def main(folder):
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    found = {name: on_ranks(comm, name, save=lp.Checkpoints(f"{folder}/{name}")) for name in CASES}
    if comm.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
