"""A user's script: type checkers find no fault with it, and each of some planted typos.

See `tests.test_typing`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import lowprec as lp
from lowprec.typing import Rounding, StorageName


def make_table(dtype: StorageName, rounding: Rounding = "stochastic") -> lp.EmbeddingTable:
    """A table, and a step on it."""
    optimizer = lp.Adagrad(0.1, state_dtype="bfloat16", state_rounding="stochastic")
    table = lp.EmbeddingTable([100, 20], 8, dtype, rounding, optimizer, seed=3, device="cpu")
    indices = np.array([[3, 7], [99, 7]])
    out: NDArray[np.float32] = table.lookup(indices, pooling="sum")
    table.update(indices, grad=np.ones_like(out))
    return table


def train(folder: Path) -> float:
    """Two models, one of them saved and trained on; the log loss of the other."""
    sizes = [50, 20]
    X, y, _ = lp.datasets.make_clicks(200, num_embeddings=sizes, seed=0)
    linear = lp.LogisticRegression(
        sizes, dtype="float16", rounding="stochastic", optimizer=lp.SGD(1.0), batch_size=50
    )
    linear = linear.fit(X, y, save=lp.Checkpoints(folder, every_batches=2))
    linear.set_params(epochs=2, optimizer=lp.SGD(lp.schedules.InverseTime(1.0, decay=1e-3)))
    linear.save(folder / "linear.safetensors")
    again = lp.LogisticRegression.load(folder / "linear.safetensors").partial_fit(X, y)
    coefficients: NDArray[np.float32] = again.coef_
    assert coefficients.dtype == again.intercept_.dtype == np.float32
    deep = lp.DLRM(sizes, embedding_dim=4, bottom_mlp=(8,), top_mlp=(8,), interaction="dot")
    deep.set_params(optimizer=lp.Adam(1e-3, weight_decay=1e-4, decay="catch_up"))
    clicks: NDArray[np.float64] = deep.fit(X, y).predict_proba(X)[:, 1]
    labels: NDArray[np.int64] = deep.predict(X)
    assert set(labels) <= {0, 1}
    return lp.metrics.log_loss(y, clicks)


if __name__ == "__main__":
    half = lp.stochastic_round(np.full(1000, 1.0002, np.float32), "float16", seed=0)
    nearest = lp.nearest_round(np.full(1000, 1.0002, np.float32), np.float16)
    print(
        half.astype(np.float64).mean() > nearest.astype(np.float64).mean(),
        make_table("bfloat16").astype(np.float16).step,
    )
    with tempfile.TemporaryDirectory() as name:
        print(round(train(Path(name)), 4))
