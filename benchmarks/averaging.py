"""Whether an average of the iterates pays, beside tables in low precision.

    python -m benchmarks.averaging
    python -m benchmarks.averaging --data train.tsv.gz --seeds 5

Without data: the two objectives of `examples/convergence.py`.  The average is of the last half of
the steps at a constant learning rate, kept exactly or in float16; beside it is the last iterate at
rates that fall as 1/t.  Then logistic regression without L2, whose optimum is not strongly convex:
the value of the average at a constant rate, and what docs/theory/convex.md bounds it by.

With data: models on Criteo rows in the order of time, the first 80 % trained on and the last 20 %
scored.  The average is exact.  Its rates, and how much is averaged, are chosen on the first 80 %
alone (trained on their first 80 %, scored on the rest), then run with each seed.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lowprec as lp
from benchmarks import averaging_convex
from benchmarks.optimizer_settings import FORMATS, OPTIMIZERS, Data, Settings, make_model
from benchmarks.optimizers import BUCKETS, TRAIN, interval
from benchmarks.report import markdown_table

EVERY = 8  # batches between two iterates that are averaged
TAILS = (0.5, 0.2, 0.05)  # shares of the steps that are averaged
TIMES = (0.5, 1.0, 2.0)  # of the rate that was chosen for the last iterate
MODELS = {"logistic": ("SGD", "Adagrad, decay"), "DLRM": ("SGD", "RowWiseAdagrad")}
OF_TABLE = {"float32": "float32", "float16": "float16, bfloat16"}  # formats by that of weights


class Averages:
    """A callback of `fit` that sums the iterates, exactly, of several shares of the last steps."""

    def __init__(self, rows: NDArray[np.int64], samples: int) -> None:
        self._rows, self._samples, self._calls = rows, samples, 0
        self._sums: dict[float, list[NDArray[np.float64]]] = {}
        self._counts = dict.fromkeys(TAILS, 0)

    def __call__(self, model: Any, samples: int) -> None:
        """After a batch, `samples` of all epochs having been seen."""
        self._calls += 1
        tails = [tail for tail in TAILS if samples > (1 - tail) * self._samples]
        if self._calls % EVERY or not tails:
            return
        now = [model.table_.read(self._rows), *dense_arrays(model)]
        for tail in tails:
            self._counts[tail] += 1
            if tail not in self._sums:
                self._sums[tail] = [np.zeros(array.shape) for array in now]
            for total, array in zip(self._sums[tail], now, strict=True):
                total += array

    def put(self, model: Any, tail: float) -> None:
        """Replace a model's parameters by their average; its table becomes one of float32."""
        rows, *dense = (total / self._counts[tail] for total in self._sums[tail])
        if model.table_.dtype != np.float32:
            model.table_ = model.table_.astype("float32")
        model.table_.write(self._rows, rows.astype(np.float32))
        for array, mean in zip(dense_arrays(model), dense, strict=True):
            array[...] = mean


def dense_arrays(model: Any) -> list[NDArray[np.float32]]:
    """The parameters that are not in the table."""
    if isinstance(model, lp.LogisticRegression):
        return [model.coef_, model.intercept_]
    return [array for layer in (*model.bottom_, *model.top_) for array in layer]


def losses(
    name: str, kind: str, settings: Settings, dtype: str, learn: Data, test: Data, seed: int
) -> dict[str, float]:
    """Log losses on `test` of the last iterate, and of the average of each tail."""
    model = make_model(OPTIMIZERS[name], kind, settings, FORMATS[OF_TABLE[dtype]], learn, seed)
    rows = np.unique(learn.indices + np.cumsum([0, *learn.num_embeddings[:-1]]))
    averages = Averages(rows, settings.epochs * len(learn.y))
    model.fit((learn.dense, learn.indices), learn.y, callback=averages)

    def loss() -> float:
        p = model.predict_proba((test.dense, test.indices))[:, 1]
        return float(lp.metrics.log_loss(test.y, p))

    found = {"last": loss()}
    for tail in TAILS:
        averages.put(model, tail)
        found[f"{tail:g}"] = loss()
    return found


def clicks(data: Data, seeds: int, models: dict[str, tuple[str, ...]] = MODELS) -> str:
    """Choose rates and tails on what is trained on, then score them: Markdown."""
    learn, test = data.part(0.0, TRAIN), data.part(TRAIN, 1.0)
    inner, held_out = learn.part(0.0, TRAIN), learn.part(TRAIN, 1.0)
    rows = []
    for kind, names in models.items():
        for name in names:
            chosen = OPTIMIZERS[name].settings(kind)
            tried = []
            for times, falls in itertools.product(TIMES, (False, True)):
                setting = replace(chosen, rate=times * chosen.rate, falls=falls)
                found = losses(name, kind, setting, "float16", inner, held_out, seed=0)
                print(kind, name, setting.rate, "falls" if falls else "constant", found, flush=True)
                tried += [(found[f"{tail:g}"], tail, setting) for tail in TAILS]
            _, tail, setting = min(tried, key=lambda one: one[0])
            rows += score(kind, name, setting, tail, learn, test, seeds)
    return markdown_table(HEADER, rows)


HEADER = (
    "model", "optimizer", "weights", "log loss, last iterate", "average",
    "average less float32's last, 1e-4", "the average's setting",
)  # fmt: skip


def score(
    kind: str, name: str, setting: Settings, tail: float, learn: Data, test: Data, seeds: int
) -> list[list[str]]:
    """Rows of the table for one optimizer: each format, last iterate and average."""
    chosen, rows = OPTIMIZERS[name].settings(kind), []
    base = np.zeros(seeds)
    for dtype in OF_TABLE:
        pairs = [
            (
                losses(name, kind, chosen, dtype, learn, test, seed)["last"],
                losses(name, kind, setting, dtype, learn, test, seed)[f"{tail:g}"],
            )
            for seed in range(seeds)
        ]
        last, average = np.array(pairs).T
        if dtype == "float32":
            base = last
        how = f"rate {setting.rate:g}, {'falls' if setting.falls else 'constant'}, last {tail:.0%}"
        rows.append([
            kind, name, dtype, f"{last.mean():.5f}", f"{average.mean():.5f}",
            str(interval(list(average - base))), how,
        ])  # fmt: skip
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", metavar="FILE", help="Criteo rows, plain or .gz")
    parser.add_argument("--seeds", type=int, default=5, help="of models on data; default 5")
    parser.add_argument(
        "--steps", type=int, default=averaging_convex.STEPS, help="without data: a power of two"
    )
    options = parser.parse_args(arguments)
    if options.data:
        (dense, indices), y = lp.datasets.load_criteo(options.data, num_embeddings=BUCKETS)
        data = Data(dense, indices, y, [BUCKETS] * indices.shape[1])
        print(clicks(data, options.seeds))
    else:
        print(averaging_convex.compare(options.steps))


if __name__ == "__main__":
    main()
