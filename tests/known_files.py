"""Files that are kept, and what was computed from them when they were written.

``python -m tests.known_files FOLDER`` writes such files.  They are **never made anew**: every later
version must load them.  Those in ``tests/data/kwx32`` were written when KWX32 became the generator,
and train on with the same bits; those in ``tests/data/version_1`` by commit be48e57, whose random
bits were those of KXS32.  The functions that train here never change either.  What these versions
could not do is tested elsewhere.

Inputs are made of the raw words of PCG64, which NumPy promises to keep, and not by a `Generator`,
which may change.  Models shuffle and initialize with a `Generator`: a digest of what it gives shows
whether NumPy has changed, not lowprec.

Results of tables are stored as digests, because they are the same on every machine.  Models
multiply matrices with BLAS, which rounds float32 sums differently on other CPUs, so their results
are stored as arrays, and `check_results` compares them with a tolerance.
"""

import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np

import lowprec as lp

SIZES = [40, 7]
DTYPES = ["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
ROUNDINGS = ["stochastic", "nearest"]
# Arguments with which a later version makes new tables and models as version 1 made them.
AS_IN_VERSION_1 = {}


def digest(*arrays):
    """SHA-256 of the bytes of arrays, one after the other."""
    made = hashlib.sha256()
    for array in arrays:
        made.update(np.ascontiguousarray(array).tobytes())
    return made.hexdigest()


# --- inputs ---


class Inputs:
    """Numbers made of PCG64's raw words; the same on every machine, to the bit."""

    def __init__(self, seed):
        self._words = np.random.PCG64(seed).random_raw

    def integers(self, high, shape):
        """Integers in [0, high); `high` may be an array."""
        return (self._words(shape) % np.asarray(high, np.uint64)).astype(np.int64)

    def values(self, *shape):
        """Float32 numbers in [-2, 2) of many magnitudes."""
        words = self._words(shape)
        fractions = (words >> np.uint64(40)).astype(np.float32) * np.float32(2**-22)
        return np.ldexp(fractions - np.float32(2), -(words & np.uint64(7)).astype(np.int32))


def jagged(rng, sizes, samples):
    """Ids and offsets of bags of 0 to 4 ids."""
    counts = rng.integers(5, samples * len(sizes))
    ids = rng.integers(np.repeat(np.tile(sizes, samples), counts), counts.sum())
    return ids, np.concatenate([[0], np.cumsum(counts)])


def batches(sizes, rng):
    """Arguments of `lookup` for five batches of the features of `sizes`."""
    yield {"indices": rng.integers(sizes, (60, len(sizes)))}
    ids, offsets = jagged(rng, sizes, 30)
    yield {"indices": ids.astype(np.int32), "offsets": offsets}
    ids, offsets = jagged(rng, sizes, 30)
    weights = rng.values(ids.size)
    yield {
        "indices": ids, "offsets": offsets, "pooling": "mean", "per_sample_weights": weights
    }  # fmt: skip
    # three rows, of which each is there more than 128 times: their gradients are summed in pieces
    yield {"indices": rng.integers(3, (450, len(sizes)))}
    weights = rng.values(50, len(sizes))
    indices = rng.integers(sizes, weights.shape)
    yield {"indices": indices, "per_sample_weights": weights, "across_features": True}


def sizes_of(table):
    return np.atleast_1d(table.num_embeddings).tolist()


def train(table, seed, rounds=1):
    """Five updates a round.  A table that skips what is not finite has such a gradient to skip."""
    rng = Inputs(seed)
    for _ in range(rounds):
        for number, batch in enumerate(batches(sizes_of(table), rng)):
            grad = rng.values(*table.lookup(**batch).shape)
            if number == 0 and table.on_nonfinite == "skip":
                grad[1, ..., -1] = np.inf
            table.update(grad=grad, **batch)
    return table


def lookups(table):
    return [table.lookup(**batch) for batch in batches(sizes_of(table), Inputs(5))]


def numbers(report):
    """The numbers of a `RoundoffReport`."""
    found = {
        name: getattr(report, name)
        for name in ("updates", "rows", "skipped_rows", "weights", "nonfinite", "steps")
    }
    found |= {"mass": float(report.sum_of_sizes), "energy": float(report.sum_of_squares)}
    for dtype in DTYPES:
        told = report.of(dtype)
        found[dtype] = [told.lost, told.subnormal, told.saturated] + [
            float(getattr(told, name))
            for name in ("lost_mass_share", "mean_error", "rms_error", "noise_share")
        ]
    return found


def diagnosed(table, max_numbers=None):
    """The numbers of a report on one update, which is not done."""
    rng = Inputs(6)
    batch = next(batches(sizes_of(table), rng))
    grad = rng.values(*table.lookup(**batch).shape) * np.float32(0.01)
    return numbers(table.diagnose(grad=grad, **batch, max_numbers=max_numbers))


def of_table(table):
    """What a table holds, looks up, and would do next."""
    return {
        "step": table.step,
        "skipped_rows": table.skipped_rows,
        "learning_rate": table.optimizer.learning_rate_at(table.step),
        "weight": digest(table.weight),
        "lookups": digest(*lookups(table)),
        "diagnosed": diagnosed(table),
    }


def of_trained(table):
    """How a table trains on: ten updates."""
    return of_table(train(table, seed=2, rounds=2))


def new_table(*arguments, **more):
    return lp.EmbeddingTable(*arguments, device="cpu", **AS_IN_VERSION_1, **more)


def tables():
    """The tables of the files, by name: 19 columns are a block of 16 and three more."""
    schedules = lp.schedules
    made = {
        "float32": (SIZES, 19, "float32", "nearest", lp.SGD(0.3), 3, "skip"),
        "float16": (
            SIZES, 19, "float16", "stochastic",
            lp.SGD(schedules.InverseTime(0.5, decay=0.1)), 2**64 - 1, "raise",
        ),
        "bfloat16": (SIZES, 19, "bfloat16", "stochastic", lp.SGD(0.1), 4, "raise"),
        "float8_e4m3fn": (SIZES, 19, "float8_e4m3fn", "stochastic", lp.SGD(0.05), 5, "skip"),
        "float8_e5m2": (
            SIZES, 19, "float8_e5m2", "stochastic",
            lp.SGD(schedules.WarmupLinearDecay(0.3, 2, 17)), 2**63 + 1, "raise",
        ),
        "float16_nearest": (SIZES, 19, "float16", "nearest", lp.SGD(0.01), 6, "skip"),
        "float8_e5m2_nearest": (SIZES, 19, "float8_e5m2", "nearest", lp.SGD(0.1), 7, "raise"),
        "column": (
            300, 1, "float16", "stochastic", lp.SGD(schedules.Constant(0.02)), 8, "raise"
        ),
    }  # fmt: skip
    for name, (sizes, dim, dtype, rounding, optimizer, seed, on_nonfinite) in made.items():
        table = new_table(sizes, dim, dtype, rounding, optimizer, seed, on_nonfinite=on_nonfinite)
        yield name, train(table, seed=1)


def fresh(dim, dtype, rounding="stochastic", **more):
    return new_table(SIZES, dim, dtype, rounding, lp.SGD(0.2), 9, **more)


def initial_weights():
    """Of tables that are made, with each format."""
    found = {
        f"{dtype}-{dim}": digest(fresh(dim, dtype).weight)
        for dtype in DTYPES
        for dim in (1, 16, 17, 64)
    }
    return found | {"float16-16-0.5": digest(fresh(16, "float16", init_range=0.5).weight)}


def trained_from_scratch():
    """The weights of tables after five updates."""
    return {
        f"{dtype}-{rounding}-{dim}": digest(train(fresh(dim, dtype, rounding), seed=3).weight)
        for dtype in DTYPES
        for rounding in ROUNDINGS
        for dim in (1, 3, 16, 17, 64)
    }


def diagnosed_from_scratch():
    """Reports on the first update of tables, and on the sixth, of which a part is looked at."""
    found = {}
    for dtype in DTYPES:
        for rounding in ROUNDINGS:
            table = fresh(17, dtype, rounding)
            first = diagnosed(table)
            sixth = diagnosed(train(table, seed=4), max_numbers=200)
            found[f"{dtype}-{rounding}"] = [first, sixth]
    return found


def large_batch():
    """Of a batch for which more than one thread is used."""
    table = new_table([3000, 50], 16, optimizer=lp.SGD(0.2))
    rng = Inputs(10)
    indices = rng.integers([3000, 50], (20_000, 2))
    out = table.lookup(indices)
    table.update(indices, rng.values(*out.shape))
    return {"lookup": digest(out), "weight": digest(table.weight)}


def of_generator():
    """A digest of what models take from NumPy's `Generator`."""
    rng = np.random.default_rng([11, 1])
    return digest(rng.permutation(SAMPLES), rng.normal(0.0, 0.5, 99).astype(np.float32))


def of_inputs():
    """A digest of what tables and models are trained on."""
    rng = Inputs(0)
    made = [value for batch in batches(SIZES, rng) for value in batch.values()]
    X, y = samples(0)
    return digest(*(each for each in made if isinstance(each, np.ndarray)), rng.values(99), *X, y)


# --- models ---

SAMPLES, BATCH, MODEL_SIZES = 300, 32, [40, 7, 20]  # ten batches an epoch


def samples(seed, num_dense=3):
    """X = (dense, indices) or, for odd seeds, (dense, indices, offsets), and y."""
    rng = Inputs(100 + seed)
    dense = rng.values(SAMPLES, num_dense)
    if seed % 2:
        X = (dense, *jagged(rng, MODEL_SIZES, SAMPLES))
    else:
        X = (dense, rng.integers(MODEL_SIZES, (SAMPLES, len(MODEL_SIZES))))
    return X, rng.integers(2, SAMPLES)


def logistic(**parameters):
    parameters = {"standardize": True, "epochs": 2, "seed": 11, **parameters, **AS_IN_VERSION_1}
    return lp.LogisticRegression(MODEL_SIZES, batch_size=BATCH, device="cpu", **parameters)


def dlrm(**parameters):
    layers = {"embedding_dim": 6, "bottom_mlp": (8,), "top_mlp": (8,)}
    rates = {"optimizer": lp.SGD(2.0), "dense_optimizer": lp.SGD(0.1)}
    parameters = {"standardize": False, "epochs": 2, "seed": 12, **rates, **layers, **parameters}
    return lp.DLRM(MODEL_SIZES, batch_size=BATCH, device="cpu", **parameters, **AS_IN_VERSION_1)


def models():
    """Models that are not fitted yet, by the names of their files."""
    rate = lp.SGD(lp.schedules.InverseTime(1.0, decay=0.01))
    return {
        "logistic": logistic(optimizer=rate),
        # the scale of the table falls below 1/2, and the table is halved, every 8 or 9 steps
        "logistic_l2": logistic(dtype="float8_e4m3fn", l2=0.08, dense_optimizer=lp.SGD(0.1)),
        "dlrm": dlrm(dense_optimizer=lp.SGD(0.05)),
        "dlrm_cat": dlrm(dtype="bfloat16", interaction="cat", standardize=True),
    }


# the defaults of version 1
FORMER = {"optimizer": lp.SGD(1.0), "dense_optimizer": lp.SGD(0.02)}
STOPS = {"logistic": 7, "logistic_l2": 14, "dlrm": 14, "dlrm_cat": 7}


def models_from_scratch():
    """Models that are fitted by a test alone, by name."""
    return {
        f"{name}_{dtype}": make(dtype=dtype, epochs=1, **former)
        for name, make, former in (("logistic", logistic, FORMER), ("dlrm", dlrm, {}))
        for dtype in DTYPES
    }


def dense_parameters(model):
    if isinstance(model, lp.LogisticRegression):
        return [model.coef_, model.intercept_]
    return [array for layer in (*model.bottom_, *model.top_) for array in layer]


def of_loaded(model):
    """What a file of a model says, to the bit: nothing was multiplied since it was read."""
    found = {
        "step": model.table_.step,
        "weight": digest(model.table_.weight),
        "dense": digest(*dense_parameters(model)),
    }
    if isinstance(model, lp.LogisticRegression):
        found["table_scale"] = model.table_scale_
    return found


def results(model):
    """What a model holds and predicts, as arrays for `check_results`."""
    return {
        "weight": model.table_.weight.astype(np.float32),
        "dense": np.concatenate([np.ravel(array) for array in dense_parameters(model)]),
        "scale": np.array([getattr(model, "table_scale_", 1.0)]),
        "decision": model.decision_function(samples(7)[0]),
    }


def check_results(found, known, dtype):
    """AssertionError unless the results of a model differ only by the round-off of BLAS.

    A float32 sum that differs in its last bit flips a stochastic rounding once in a while (once in
    2**13 times in float16), and what follows differs by about the spacing of the format.  So 90 %
    of the weights must be equal.  Unless all are, the other tolerances grow with that spacing.

    Measured on the models here: OpenBLAS's kernels for other CPUs flip no rounding, and change
    dense parameters by up to 6e-8 and predictions by up to 4e-7.  Relative noise of 1e-5 in the
    dense features, a hundred times the round-off, leaves at least 97 % of the weights equal in 20
    runs, and changes these by up to 5e-6 and 1.2e-4.  Other random bits leave 14 % to 51 % of the
    weights equal.
    """
    equal = np.isclose(found["weight"], known["weight"], rtol=1e-5, atol=1e-6)
    assert equal.mean() >= 0.9, f"{1 - equal.mean():.0%} of the weights differ"
    assert found["scale"] == known["scale"]  # a product of Python's floats
    spacing = 0.0 if equal.all() else float(ml_dtypes.finfo(dtype).eps)
    near = {"rtol": 0, "atol": 1e-5 + 0.1 * spacing}
    np.testing.assert_allclose(found["dense"], known["dense"], **near)
    near = {"rtol": 0, "atol": 1e-4 + 2 * spacing}
    np.testing.assert_allclose(found["decision"], known["decision"], **near)


class StopError(Exception):
    """The end of a `fit` that a checkpoint is resumed from."""


def fit_until(model, step, path):
    """The file that `Checkpoints` writes after so many steps of a `fit`."""

    def callback(model, done):
        if model.table_.step == step + 1:
            raise StopError

    X, y = samples(1)
    with tempfile.TemporaryDirectory() as folder:
        save = lp.Checkpoints(folder, every_batches=step)
        try:
            model.fit(X, y, save=save, callback=callback)
        except StopError:
            (Path(folder) / f"step-{step:012d}.safetensors").rename(path)
            return
    raise AssertionError("fit was to be stopped")


# --- files ---


def contents(path):
    """The JSON of a file, and (dtype, shape, bytes) of each array; read without the library."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    entry = json.loads(header.pop("__metadata__")["lowprec"].partition(" ")[2])
    arrays = {}
    for name, told in header.items():
        first, last = told["data_offsets"]
        arrays[name] = told["dtype"], told["shape"], data[start + first : start + last]
    return entry, arrays


def make(folder):
    """Write all files, and the results of version 1, into a folder that does not exist yet."""
    folder.mkdir(parents=True)
    known = {"inputs": of_inputs(), "generator": of_generator(), "tables": {}, "models": {}}
    arrays = {}

    def keep(name, model):
        arrays.update({f"{name}/{part}": array for part, array in results(model).items()})

    for name, table in tables():
        path = folder / f"{name}.safetensors"
        table.save(path)
        known["tables"][name] = {
            "loaded": of_table(lp.EmbeddingTable.load(path)),
            "trained": of_trained(lp.EmbeddingTable.load(path)),
        }
    for name, model in models().items():
        path = folder / f"{name}.safetensors"
        model.fit(*samples(0)).partial_fit(*samples(2)).save(path)
        loaded = lp.load(path)
        known["models"][name] = of_loaded(loaded)
        keep(f"{name}/loaded", loaded)
        keep(f"{name}/trained", loaded.partial_fit(*samples(3)))
    for name, model in models().items():
        path = folder / f"{name}_in_fit.safetensors"
        fit_until(model, STOPS[name], path)
        known["models"][f"{name}_in_fit"] = of_loaded(lp.load(path))
        keep(f"{name}/resumed", models()[name].fit(*samples(1), resume=path))
    for name, model in models_from_scratch().items():
        keep(f"{name}/fresh", model.fit(*samples(4)))
    known["fresh"] = {
        function.__name__: function()
        for function in (
            initial_weights, trained_from_scratch, diagnosed_from_scratch, large_batch
        )
    }  # fmt: skip
    text = json.dumps(known, indent=1)
    text = re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text)  # a list a line
    (folder / "digests.json").write_text(text + "\n")
    np.savez_compressed(folder / "models.npz", **arrays)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
