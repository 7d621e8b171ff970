"""Train one recommender three times, side by side: float32, float16 nearest, float16 stochastic.

The three runs have the same samples, order and seeds, and differ only in how the weights of the
embedding tables are stored.  Optimizer states are float32 in all.  The optimizer is the one that
scored best in docs/optimizers.md, or plain SGD with `--optimizer sgd`.

Without --data the samples are planted clicks, drawn from a known model.  The learning rate is
small, as it is late in a long training, so many updates are below half a unit in the last place of
float16.  Rounding to nearest loses them; stochastic rounding keeps them on average.  With --data
the samples are rows in Criteo's format (a label, 13 integers, 26 categories, separated by tabs),
and the settings score well on a sample of the Criteo Kaggle data.

All three runs diagnose some of their steps.  The output compares the share of updates that rounding
to nearest would lose, as the other runs predict it, with the share that the nearest run did lose.

Each run has its own process, so that peak memory can be measured, and loads kernels that were
compiled before.  The runs train in turns, a twentieth of the samples at a time; the speed is the
median over the turns, without the scoring between them.

examples:
  python examples/criteo.py
  python examples/criteo.py --model dlrm
  python examples/criteo.py --data train.tsv.gz --model dlrm --json out.json
  python examples/criteo.py --data day_0.gz day_1.gz --test day_2.gz --num-embeddings 1000000
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from typing import Any

import numba
import numpy as np
import report
from criteo_output import (
    described,
    format_precision,
    format_table,
    precision_as_json,
    save_figure,
)
from criteo_settings import COLUMNS, Data, few_samples, load, make_model
from processes import peak_memory
from side_by_side import Turn, run_at_once, run_side_by_side

import lowprec as lp

CURVE_POINTS = 20
DIAGNOSED_STEPS = 100


class Curve:
    """Scores a model now and then while it trains in turns, and times the training in between."""

    def __init__(
        self, turn: Turn, X: Any, y: Any, total_samples: int, name: str, *, quiet: bool
    ) -> None:
        self.points: list[tuple[int, float]] = []
        self.speeds: list[float] = []  # samples a second
        self._turn, self._X, self._y = turn, X, y
        self._total, self._name, self._quiet = total_samples, name, quiet
        self._begin()

    def _begin(self) -> None:
        self._turn.begin()
        self._began = time.perf_counter()

    def __call__(self, model: Any, samples: int) -> None:
        """What `fit` calls after each step."""
        due = (len(self.points) + 1) * self._total / CURVE_POINTS
        if samples < due and samples < self._total:
            return
        before = self.points[-1][0] if self.points else 0
        self.speeds.append((samples - before) / (time.perf_counter() - self._began))
        loss = lp.metrics.log_loss(self._y, probability(model, self._X))
        self.points.append((samples, loss))
        if not self._quiet and len(self.points) % (CURVE_POINTS // 4) == 0:
            done = f"{samples / self._total:4.0%} of {self._total:,} samples"
            print(f"{self._name:<20}{done}, log loss {loss:.5f}", file=sys.stderr, flush=True)
        self._turn.end()
        if samples < self._total:
            self._begin()


def probability(model: Any, X: Any) -> Any:
    """The probability of a click for each sample."""
    return model.predict_proba(X)[:, 1]


def run(turn: Turn, options: argparse.Namespace, dtype: str, rounding: str) -> dict[str, Any]:
    """Train and score one variant; the result is a row of the table, and its learning curve."""
    numba.set_num_threads(options.threads)
    data = load(options)
    compile_kernels(options, data, dtype, rounding)  # finds them compiled, but must load them
    (X, y), (X_test, y_test) = data.train, data.test
    model = make_model(options, data, dtype, rounding)
    name = report.Variant(dtype, rounding, "").name
    curve = Curve(turn, X_test, y_test, model.epochs * len(y), name, quiet=options.quiet)
    steps = model.epochs * math.ceil(len(y) / model.batch_size)
    diagnose = lp.Diagnostics(every_batches=max(1, steps // DIAGNOSED_STEPS))
    model.fit(X, y, callback=curve, diagnose=diagnose)
    p = probability(model, X_test)
    return {
        "dtype": dtype,
        "rounding": rounding,
        "log_loss": lp.metrics.log_loss(y_test, p),
        "roc_auc": lp.metrics.roc_auc(y_test, p),
        "normalized_entropy": lp.metrics.normalized_entropy(y_test, p),
        "weight_bytes": model.table_.weight.nbytes,
        "table_bytes": model.table_.nbytes,
        "peak_rss_bytes": peak_memory(),
        "samples_per_second": statistics.median(curve.speeds),
        "precision": model.roundoff_,
        "curve": curve.points,
    }


# --- what is compiled before anything is timed ---


def compile_kernels(
    options: argparse.Namespace, data: Data, dtype: str, rounding: str, *, diagnose: bool = True
) -> None:
    """Train on a few samples and score some, by the kernels that training takes."""
    (dense, indices), y = data.train
    model = make_model(options, data, dtype, rounding)
    model.set_params(epochs=1)
    few = slice(0, 2 * model.batch_size)
    X, labels = (dense[few], indices[few]), np.arange(len(y[few])) % 2
    model.fit(X, labels.astype(y.dtype), diagnose=lp.Diagnostics(1) if diagnose else None)
    probability(model, X)


def compile_training(options: argparse.Namespace, dtype: str, rounding: str) -> None:
    """In a separate process: what a variant needs; diagnostics last, because they are shared."""
    for diagnose in (False, True):
        compile_kernels(options, few_samples(options), dtype, rounding, diagnose=diagnose)


def compile_diagnostics(options: argparse.Namespace) -> None:
    """In a separate process, at the same time: what the diagnostics of all variants need."""
    model = make_model(options, few_samples(options), "float32", "nearest")
    columns = 1 if options.model == "logistic" else COLUMNS
    table = lp.EmbeddingTable([1] * 26, columns, "float32", optimizer=model.optimizer)
    table.diagnose(np.zeros((2, 26), np.int32), np.ones((2, 26, columns), np.float32))


def compile_all(options: argparse.Namespace) -> None:
    """Fill the cache of compiled kernels, on several cores; nearest takes the kernels of both."""
    trained = (report.FLOAT32, report.STOCHASTIC)
    jobs = [(compile_training, options, v.dtype, v.rounding) for v in trained]
    run_at_once([*jobs, (compile_diagnostics, options)])


# --- the command ---


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=("logistic", "dlrm"), default="logistic")
    parser.add_argument(
        "--optimizer", choices=("adaptive", "sgd"), default="adaptive",
        help="the best of docs/optimizers.md, which is the default, or plain SGD",
    )  # fmt: skip
    parser.add_argument("--data", nargs="+", metavar="FILE", help="Criteo rows, plain or .gz")
    parser.add_argument(
        "--test", nargs="+", metavar="FILE", help="rows to score; default: the last 20 %% of --data"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random; default 0")
    parser.add_argument("--json", metavar="OUT", help="write the results as JSON")
    parser.add_argument(
        "--figure", metavar="OUT", default="criteo.png", help="learning curves; default criteo.png"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument(
        "--samples", type=int, default=300_000, help="planted clicks, where there is no --data"
    )
    parser.add_argument(
        "--num-embeddings", type=int, default=100_000, help="ids a feature, with --data"
    )
    parser.add_argument(
        "--threads", type=int, metavar="N",
        help="of the kernels; default: 1 for logistic regression, whose steps are too small to "
        "share, and all for the DLRM",
    )  # fmt: skip
    group = parser.add_argument_group("training", "defaults depend on the model and the data")
    group.add_argument("--epochs", type=int)
    group.add_argument("--batch-size", type=int)
    group.add_argument("--learning-rate", type=float, help="of the tables, at the start")
    group.add_argument("--dense-learning-rate", type=float, help="of all else, at the start")
    options = parser.parse_args(arguments)
    if options.test and not options.data:
        parser.error("--test needs --data")
    if options.threads is None:
        options.threads = 1 if options.model == "logistic" else report.threads()
    if not 1 <= options.threads <= report.threads():
        parser.error(f"--threads must be 1 to {report.threads()}, got {options.threads}")
    return options


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Run the three variants, print the table, save the figure and the JSON."""
    options = parse_arguments(arguments)
    source = "Criteo rows" if options.data else "planted clicks"
    print(f"{options.model} on {source}, seed {options.seed}: {described(options)}", flush=True)
    compile_all(options)
    runs = run_side_by_side(run, [(options, v.dtype, v.rounding) for v in report.VARIANTS])
    print(format_table(runs))
    print(format_precision(runs))
    save_figure(runs, options.figure, f"{options.model}, {source}, seed {options.seed}")
    if options.json:
        rows = [{**row, "precision": precision_as_json(row["precision"])} for row in runs]
        keys = [key for key in runs[0] if key != "curve"]
        runs_in_json = [{k: row[k] for k in keys} for row in rows]
        report.write_json(options.json, {"threads": options.threads, "runs": runs_in_json})
    return runs


if __name__ == "__main__":
    main()
