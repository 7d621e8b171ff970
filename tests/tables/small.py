"""Small tables, their batches, and how they are compared."""

import numpy as np

import lowprec as lp
from lowprec.formats.entries import FORMATS
from tests import naive

DTYPES = ["float32", *(fmt.name for fmt in FORMATS)]


def bits(array):
    """An array as bytes, so that -0.0 differs from 0.0 and NaN equals itself."""
    return np.ascontiguousarray(array).tobytes()


def make_table(num_embeddings=(5, 3, 4), embedding_dim=3, scale=1.0, **kwargs):
    table = lp.EmbeddingTable(num_embeddings, embedding_dim, **kwargs)
    rng = np.random.default_rng(3)
    weight = rng.normal(size=table.weight.shape) * 10.0 ** rng.uniform(-6, 1, table.weight.shape)
    most = float(naive.FORMATS[table.dtype.name][4]) if table.dtype != np.float32 else np.inf
    table.weight[:] = np.clip(scale * weight, -most, most).astype(np.float32).astype(table.dtype)
    return table


def jagged(rng, bags, sizes, limit=3):
    """Ids of bags with up to `limit` ids each; `sizes[f]` rows for feature f = bag % features."""
    counts = rng.integers(0, limit + 1, bags)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    features = np.repeat(np.arange(bags) % len(sizes), counts)
    return rng.integers(0, np.asarray(sizes)[features]), offsets


def gradient(rng, shape):
    return (rng.normal(size=shape) * 10.0 ** rng.uniform(-5, 1, shape)).astype(np.float32)
