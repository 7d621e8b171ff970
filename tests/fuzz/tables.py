"""Cases of tables: one lookup and one update, as they are right and as they are wrong."""

import ml_dtypes
import numpy as np

import lowprec as lp
from lowprec.formats.entries import FORMATS
from tests import naive_arrays
from tests.fuzz.batches import random_batch, spoil
from tests.fuzz.checks import attempt, check
from tests.fuzz.inputs import layouts, pick, with_entry
from tests.fuzz.surroundings import in_read_only_memory
from tests.fuzz.verdicts import EXPECTED


def random_table(rng):
    single = rng.random() < 0.2
    sizes = [int(n) for n in rng.integers(1, 9, 1 if single else int(rng.integers(1, 4)))]
    dtypes = ["float32", *(fmt.name for fmt in FORMATS)]
    table = lp.EmbeddingTable(
        sizes[0] if single else sizes,
        pick(rng, [1, 2, 3, 15, 16, 17, 33]),
        pick(rng, dtypes),
        pick(rng, ["stochastic", "nearest"]),
        lp.SGD(float(rng.choice([0.0, 0.5, 0.3, 1e-3, 7.0]))),
        int(rng.integers(0, 2**64, dtype=np.uint64)),
        on_nonfinite=pick(rng, ["raise", "skip"]),
    )
    scale = 10.0 ** rng.uniform(-6, 1)
    limit = float(ml_dtypes.finfo(table.dtype).max)  # beyond it, the view would hold inf
    weights = np.clip(rng.normal(size=table.weight.shape) * scale, -limit, limit)
    table.weight[:] = weights.astype(table.dtype)
    return table, sizes


def state_of_table(table):
    states = [array.tobytes() for array in table.optimizer_state.values()]
    return table.weight.tobytes(), states, table.step, table.skipped_rows


def read_only_table(rng, like):
    """Of the same weights, in one of two formats, which NumPy pickles beside the rest."""
    optimizers = [lp.SGD, lp.Adagrad, lp.RowWiseAdagrad, lp.Adam, lp.FTRL, lp.LAMB]
    table = lp.EmbeddingTable(
        like.num_embeddings, like.embedding_dim, pick(rng, ["float16", "float32"]),
        like.rounding, pick(rng, optimizers)(0.5), like.seed, on_nonfinite=like.on_nonfinite,
    )  # fmt: skip
    table.weight[:] = like.weight.astype(np.float32).astype(table.dtype)
    return in_read_only_memory(rng, table)


def case_of_tables(rng, around):
    table, sizes = random_table(rng)
    single = isinstance(table.num_embeddings, int)
    batch, grad = random_batch(rng, sizes, single, table.embedding_dim)
    if around.read_only:
        table = read_only_table(around.rng, table)
    before = state_of_table(table)

    def update(grad, given, expected):
        """True, or None where it was refused."""
        call = lambda: table.update(grad=grad, **given) or True
        done = attempt(lambda: around.run(call), expected)
        check(done or state_of_table(table) == before, "a refused update changed the table")
        return done

    if rng.random() < 0.5:
        batch, grad = spoil(rng, batch, grad, sizes)
        check(update(grad, batch, EXPECTED) is None, "an update took what is wrong")
        attempt(lambda: around.run(lambda: table.lookup(**batch)), EXPECTED)
        check(state_of_table(table) == before, "a lookup changed the table")
        return
    given = {
        name: layouts(rng, value) if isinstance(value, np.ndarray) and rng.random() < 0.2 else value
        for name, value in batch.items()
    }
    merged = len(sizes) if batch["across_features"] else 1
    plain = {
        "indices": batch["indices"],
        "offsets": batch.get("offsets"),
        "pooling": batch["pooling"],
        "weights": batch.get("per_sample_weights"),
        "merged": merged,
    }
    out = around.run(lambda: table.lookup(**given))
    expected = naive_arrays.lookup(table, **plain)
    check(out.reshape(expected.shape).tobytes() == expected.tobytes(), "lookup")
    check(out.shape == grad.shape, "the shape of a lookup")
    if around.read_only:
        check(update(grad, given, ValueError) is None, "an update of read-only memory")
        return
    bad = rng.random() < 0.1 and grad.size > 0
    if bad:
        grad = with_entry(grad, int(rng.integers(grad.size)), pick(rng, [np.nan, np.inf]))
        if table.on_nonfinite == "raise":
            accepted = update(grad, given, FloatingPointError)
            reached = naive_arrays.rows_and_bags(
                table.row_offsets, plain["indices"], plain["offsets"], merged
            )[1]
            hit = not np.isfinite(grad.reshape(-1, table.embedding_dim)[reached]).all()
            check(not hit or accepted is None, "an update took a gradient that is not finite")
            return
    with np.errstate(all="ignore"):
        new = naive_arrays.update(table, table.optimizer.learning_rate, grad=grad, **plain)
        if bad:
            return check_skipped(around, table, grad, given, plain)
    other = layouts(rng, grad) if rng.random() < 0.2 else grad
    around.run(lambda: table.update(grad=other, **given))
    check(table.weight.tobytes() == new.tobytes(), "update")
    check(table.step == before[2] + 1, "step")


def check_skipped(around, table, grad, given, plain):
    """Rows that a number which is not finite reaches stay as they are."""
    rows, bags = naive_arrays.rows_and_bags(
        table.row_offsets, plain["indices"], plain["offsets"], plain["merged"]
    )
    finite = np.isfinite(grad.reshape(-1, table.embedding_dim)).all(axis=1)
    reached = np.unique(rows[~finite[bags]])
    before = table.weight.copy()
    around.run(lambda: table.update(grad=grad, **given))
    check(table.skipped_rows == reached.size, "skipped_rows")
    check(table.weight[reached].tobytes() == before[reached].tobytes(), "a row was not skipped")
