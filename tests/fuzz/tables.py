"""Cases of tables: one lookup and one update, as they are right and as they are wrong."""

import numpy as np

import lowprec as lp
from lowprec.formats.entries import FORMATS
from tests import naive_arrays
from tests.fuzz.batches import random_batch, spoil
from tests.fuzz.checks import attempt, check
from tests.fuzz.inputs import layouts, pick, with_entry
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
    table.weight[:] = (rng.normal(size=table.weight.shape) * scale).astype(table.dtype)
    return table, sizes


def state_of_table(table):
    return table.weight.tobytes(), table.step, table.skipped_rows


def case_of_tables(rng):
    table, sizes = random_table(rng)
    single = isinstance(table.num_embeddings, int)
    batch, grad = random_batch(rng, sizes, single, table.embedding_dim)
    before = state_of_table(table)
    if rng.random() < 0.5:
        batch, grad = spoil(rng, batch, grad, sizes)
        accepted = attempt(lambda: table.update(grad=grad, **batch) or True, EXPECTED)
        check(accepted is None, "an update took what is wrong")
        check(state_of_table(table) == before, "a refused update changed the table")
        attempt(lambda: table.lookup(**batch), EXPECTED)
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
    out = table.lookup(**given)
    expected = naive_arrays.lookup(table, **plain)
    check(out.reshape(expected.shape).tobytes() == expected.tobytes(), "lookup")
    check(out.shape == grad.shape, "the shape of a lookup")
    bad = rng.random() < 0.1 and grad.size > 0
    if bad:
        grad = with_entry(grad, int(rng.integers(grad.size)), pick(rng, [np.nan, np.inf]))
        if table.on_nonfinite == "raise":
            accepted = attempt(lambda: table.update(grad=grad, **given) or True, FloatingPointError)
            reached = naive_arrays.rows_and_bags(
                table.row_offsets, plain["indices"], plain["offsets"], merged
            )[1]
            hit = not np.isfinite(grad.reshape(-1, table.embedding_dim)[reached]).all()
            check(not hit or accepted is None, "an update took a gradient that is not finite")
            check(accepted or state_of_table(table) == before, "a refused update changed the table")
            return
    with np.errstate(all="ignore"):
        new = naive_arrays.update(table, table.optimizer.learning_rate, grad=grad, **plain)
        if bad:
            kept = ~np.isfinite(new.astype(np.float64)).all(axis=1)
            return check_skipped(table, grad, given, plain, kept)
    table.update(grad=layouts(rng, grad) if rng.random() < 0.2 else grad, **given)
    check(table.weight.tobytes() == new.tobytes(), "update")
    check(table.step == before[1] + 1, "step")


def check_skipped(table, grad, given, plain, kept):
    """Rows that a number which is not finite reaches stay as they are."""
    rows, bags = naive_arrays.rows_and_bags(
        table.row_offsets, plain["indices"], plain["offsets"], plain["merged"]
    )
    finite = np.isfinite(grad.reshape(-1, table.embedding_dim)).all(axis=1)
    reached = np.unique(rows[~finite[bags]])
    before = table.weight.copy()
    table.update(grad=grad, **given)
    check(table.skipped_rows == reached.size, "skipped_rows")
    check(table.weight[reached].tobytes() == before[reached].tobytes(), "a row was not skipped")
