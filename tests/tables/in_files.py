"""Tables in memory and in files, and all that they hold."""

import numpy as np

import lowprec as lp
from tests.tables.small import bits

SIZES, DIM = (20, 3, 9), 3
ROWS = np.arange(sum(SIZES))
TABLES = {
    "SGD": {"optimizer": lp.SGD(0.3)},
    "Adagrad": {"optimizer": lp.Adagrad(0.1, initial_accumulator=0.25), "padding_idx": -1},
    "Adam": {"optimizer": lp.Adam(0.1, state_dtype="bfloat16"), "on_nonfinite": "skip"},
    "FTRL": {"optimizer": lp.FTRL(0.5, l1=0.01), "init_range": 0.5},
    "catch up": {"optimizer": lp.SGD(0.1, weight_decay=0.5, decay="catch_up"), "dtype": "float32"},
}
OTHERS = {  # of the same states, which new rows must not see
    "SGD": lp.SGD(0.1),
    "Adagrad": lp.Adagrad(0.2, initial_accumulator=0.5),
    "Adam": lp.Adam(0.2, state_dtype="bfloat16"),
    "FTRL": lp.FTRL(0.25, l1=0.5),
    "catch up": lp.SGD(0.2, weight_decay=0.25, decay="catch_up"),
}


def contents(table):
    """All that a table holds, as bytes."""
    states = {name: bits(np.asarray(array)) for name, array in table.optimizer_state.items()}
    counts = table.step, table.skipped_rows, table.trainable, table.zeros
    return bits(table.read(ROWS)), states, counts, table.optimizer


def make(path=None, name="SGD", **kwargs):
    arguments = {"num_embeddings": SIZES, "embedding_dim": DIM, "seed": 7, **TABLES[name]}
    return lp.EmbeddingTable(**{**arguments, **kwargs}, path=path)


def batch(rng, n=4):
    return rng.integers(0, SIZES, (n, 3)), rng.normal(size=(n, 3, DIM)).astype(np.float32)
