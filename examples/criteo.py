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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numba
import numpy as np
import report
from processes import peak_memory
from side_by_side import Turn, run_at_once, run_side_by_side

import lowprec as lp

CURVE_POINTS = 20
DIAGNOSED_STEPS = 100
TEST_SHARE = 0.2
COLUMNS = 16  # of a DLRM's table
CHANGEABLE = ("epochs", "batch_size", "learning_rate", "dense_learning_rate")


@dataclass(frozen=True)
class Settings:
    """How a model is trained; the gradient is that of the mean loss of a batch."""

    optimizer: type[Any]  # of the tables
    dense_optimizer: type[Any]
    epochs: int
    batch_size: int
    learning_rate: float  # of the tables
    dense_learning_rate: float
    more: Mapping[str, Any] = field(default_factory=dict)  # of the tables' optimizer
    falls: bool = True  # learning rates fall linearly to zero; False: they are constant
    hidden: tuple[int, ...] = ()  # layers of both MLPs of the DLRM


# Criteo: chosen by training on the first 64 % of a 110,000-row sample of the Kaggle data and
# scoring the next 16 %.  Planted clicks: small steps, many of which rounding to nearest loses.
_DECAYING = {"initial_accumulator": 0.03, "weight_decay": 7e-4, "decay": "catch_up"}
_ROW_WISE = {"initial_accumulator": 1e-6}
SETTINGS = {
    ("adaptive", "logistic", "criteo"): Settings(
        lp.Adagrad, lp.Adam, 8, 128, 0.4, 0.003, _DECAYING
    ),
    ("adaptive", "dlrm", "criteo"): Settings(
        lp.RowWiseAdagrad, lp.Adam, 1, 128, 0.04, 0.001, _ROW_WISE, False, (64,)
    ),
    ("adaptive", "logistic", "planted"): Settings(
        lp.Adagrad, lp.Adam, 4, 128, 0.005, 0.001, {**_DECAYING, "initial_accumulator": 3e-4}
    ),
    ("adaptive", "dlrm", "planted"): Settings(
        lp.RowWiseAdagrad, lp.Adam, 2, 128, 0.002, 0.001, _ROW_WISE, True, (64,)
    ),
    ("sgd", "logistic", "criteo"): Settings(lp.SGD, lp.SGD, 8, 128, 1.5, 0.2),
    ("sgd", "dlrm", "criteo"): Settings(lp.SGD, lp.SGD, 2, 128, 10.0, 0.3, hidden=(512, 256)),
    ("sgd", "logistic", "planted"): Settings(lp.SGD, lp.SGD, 12, 256, 0.005, 0.05),
    ("sgd", "dlrm", "planted"): Settings(lp.SGD, lp.SGD, 4, 256, 0.3, 0.1, hidden=(64,)),
}


@dataclass(frozen=True)
class Data:
    """Samples to train on, samples to score, and how many ids each feature has."""

    train: tuple[Any, Any]
    test: tuple[Any, Any]
    num_embeddings: list[int]


def load(options: argparse.Namespace) -> Data:
    """The data that the command line asks for."""
    if not options.data:
        sizes = list(lp.datasets.DEFAULT_NUM_EMBEDDINGS)
        X, y, _ = lp.datasets.make_clicks(options.samples, sizes, seed=options.seed)
        return split(X, y, sizes)
    sizes = [options.num_embeddings] * 26
    X, y = lp.datasets.load_criteo(options.data, num_embeddings=options.num_embeddings)
    if not options.test:
        return split(X, y, sizes)
    test = lp.datasets.load_criteo(options.test, num_embeddings=options.num_embeddings)
    return Data((X, y), test, sizes)


def split(X: Any, y: Any, sizes: list[int]) -> Data:
    """The first samples to train on, the last fifth to score: later ones, as in production."""
    cut = len(y) - round(TEST_SHARE * len(y))
    (dense, indices) = X
    train = ((dense[:cut], indices[:cut]), y[:cut])
    return Data(train, ((dense[cut:], indices[cut:]), y[cut:]), sizes)


def make_model(
    options: argparse.Namespace, data: Data, dtype: str, rounding: str
) -> lp.LogisticRegression | lp.DLRM:
    """The untrained model of one run."""
    settings = settings_of(options)
    steps = settings.epochs * math.ceil(len(data.train[1]) / settings.batch_size)

    def rate(peak: float) -> Any:
        return lp.schedules.WarmupLinearDecay(peak, 0, steps) if settings.falls else peak

    common: dict[str, Any] = {
        "num_embeddings": data.num_embeddings,
        "dtype": dtype,
        "rounding": rounding,
        "optimizer": settings.optimizer(rate(settings.learning_rate), **settings.more),
        "dense_optimizer": settings.dense_optimizer(rate(settings.dense_learning_rate)),
        "standardize": True,
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "seed": options.seed,
    }
    if options.model == "logistic":
        return lp.LogisticRegression(**common)
    hidden = settings.hidden
    return lp.DLRM(embedding_dim=COLUMNS, bottom_mlp=hidden, top_mlp=hidden, **common)


def settings_of(options: argparse.Namespace) -> Settings:
    """The documented settings, with what the command line changes."""
    source = "criteo" if options.data else "planted"
    settings = SETTINGS[options.optimizer, options.model, source]
    given = {name: getattr(options, name) for name in CHANGEABLE}
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


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


def few_samples(options: argparse.Namespace) -> Data:
    """Such samples as the command line asks for."""
    if options.data:
        sizes = [options.num_embeddings] * 26
        X, y = next(iter(lp.datasets.CriteoReader(options.data, sizes, batch_size=1000)))
    else:
        sizes = list(lp.datasets.DEFAULT_NUM_EMBEDDINGS)
        X, y, _ = lp.datasets.make_clicks(1000, sizes, seed=options.seed)
    return Data((X, y), (X, y), sizes)


def compile_all(options: argparse.Namespace) -> None:
    """Fill the cache of compiled kernels, on several cores; nearest takes the kernels of both."""
    trained = (report.FLOAT32, report.STOCHASTIC)
    jobs = [(compile_training, options, v.dtype, v.rounding) for v in trained]
    run_at_once([*jobs, (compile_diagnostics, options)])


# --- output ---


def format_table(runs: list[dict[str, Any]]) -> str:
    """The results for people."""
    header = (
        f"{'tables':<20}{'log loss':>10}{'AUC':>9}{'norm. entropy':>15}"
        f"{'weights MB':>12}{'table MB':>10}{'peak MB':>9}{'samples/s':>11}"
    )
    rows = [
        f"{row['dtype'] + ' ' + row['rounding'] if row['dtype'] != 'float32' else 'float32':<20}"
        f"{row['log_loss']:>10.5f}{row['roc_auc']:>9.5f}{row['normalized_entropy']:>15.5f}"
        f"{row['weight_bytes'] / 1e6:>12.2f}{row['table_bytes'] / 1e6:>10.2f}"
        f"{row['peak_rss_bytes'] / 1e6:>9.0f}{row['samples_per_second']:>11,.0f}"
        for row in runs
    ]
    return "\n".join([header, "-" * len(header), *rows])


def format_precision(runs: list[dict[str, Any]]) -> str:
    """What rounding does to steps, and the predicted and measured losses of nearest rounding."""
    found = {row["dtype"] + " " + row["rounding"]: row["precision"] for row in runs}
    stochastic, nearest = found[report.STOCHASTIC.name], found[report.NEAREST.name]
    float32 = found["float32 nearest"]
    said = [
        ("predicted by the float32 run", float32.of("float16")),
        ("predicted by the stochastic run", stochastic),
        ("measured in the nearest run", nearest),
    ]
    lines = [
        f"  {who:<38}{told.lost_share:>8.2%} of the steps, {told.lost_mass_share:.2%} of movement"
        for who, told in said
    ]
    recommended = f"recommended: {stochastic.recommend()}"
    return "\n".join([str(stochastic), recommended, "float16, rounded to nearest:", *lines])


def precision_as_json(told: lp.RoundoffReport) -> dict[str, Any]:
    """Counts, and what follows from them."""
    return {
        **asdict(told),
        "lost_share": told.lost_share,
        "lost_mass_share": told.lost_mass_share,
        "lost_share_float16": told.of("float16").lost_share,
        "mean_error": told.mean_error,
        "rms_error": told.rms_error,
        "recommendation": asdict(told.recommend()),
    }


def save_figure(runs: list[dict[str, Any]], path: str, title: str) -> None:
    """Learning curves, and beside them their differences to float32."""
    figure, (left, right) = report.figure(2)
    reference = np.array(runs[0]["curve"])
    for variant, row in zip(report.VARIANTS, runs, strict=True):
        samples, losses = np.array(row["curve"]).T
        style = {"color": variant.color, "linestyle": variant.line}
        width = 3.0 if variant is report.FLOAT32 else 1.8
        left.plot(samples, losses, **style, linewidth=width, label=variant.name)
        right.plot(samples, losses - reference[:, 1], **style, linewidth=width)
    left.set(xlabel="samples trained on", ylabel="log loss on the test rows")
    left.set_title(f"{title} (one seed)")
    right.set(xlabel="samples trained on", title="difference to float32")
    right.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3), useMathText=True)
    for axis in (left, right):
        axis.ticklabel_format(axis="x", style="sci", scilimits=(0, 4), useMathText=True)
    report.legend_below(figure, left)
    report.save_figure(figure, path)


def described(options: argparse.Namespace) -> str:
    """The settings for people."""
    settings = settings_of(options)
    more = "".join(f", {name}={value!r}" for name, value in settings.more.items())
    falling = ", falling to 0" if settings.falls else ""
    epochs = "1 epoch" if settings.epochs == 1 else f"{settings.epochs} epochs"
    return (
        f"{epochs} in batches of {settings.batch_size}, "
        f"{settings.optimizer.__name__}({settings.learning_rate:g}{more}) for the tables, "
        f"{settings.dense_optimizer.__name__}({settings.dense_learning_rate:g}) for the rest"
        f"{falling}; {options.threads} thread{'s' if options.threads > 1 else ''}"
    )


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
