"""Train one recommender three times, side by side: float32, float16 nearest, float16 stochastic.

The three runs see the same samples in the same order from the same seeds, and differ only in how
the embedding tables are stored.  Without --data the samples are planted clicks, drawn from a known
model, and the learning rate is small, as it is late in a long training: many updates are then below
half a unit in the last place of float16.  Rounding to nearest loses them; stochastic rounding keeps
them on average.  With --data they are rows in Criteo's format (a label, 13 integers, 26 categories,
separated by tabs), and the settings are ones that score well on a sample of the Criteo Kaggle data.

While they train, all three count what rounding does to some of their steps: what the other runs say
that nearest would lose is printed beside what the nearest run lost.

Each run is a process of its own, so that its peak memory is its own.

examples:
  python examples/criteo.py
  python examples/criteo.py --model dlrm
  python examples/criteo.py --data train.tsv.gz --model dlrm --json out.json
  python examples/criteo.py --data day_0.gz day_1.gz --test day_2.gz --num-embeddings 1000000
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import report
from processes import peak_memory, run_in_child

import lowprec as lp

CURVE_POINTS = 20
DIAGNOSED_STEPS = 100
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Settings:
    """How a model is trained: schedules fall linearly to zero from these learning rates."""

    epochs: int
    batch_size: int
    learning_rate: float  # of the tables; the gradient is that of the mean loss of a batch
    dense_learning_rate: float
    hidden: tuple[int, ...] = ()  # layers of both MLPs of the DLRM


# Criteo: chosen by training on the first 64 % of a 110,000-row sample of the Kaggle data and
# scoring the next 16 %.  Planted clicks: small steps, many of which rounding to nearest loses.
SETTINGS = {
    ("logistic", "criteo"): Settings(8, 128, 1.5, 0.2),
    ("dlrm", "criteo"): Settings(2, 128, 10.0, 0.3, (512, 256)),
    ("logistic", "planted"): Settings(12, 256, 0.005, 0.05),
    ("dlrm", "planted"): Settings(4, 256, 0.3, 0.1, (64,)),
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

    def falling(learning_rate: float) -> lp.SGD:
        return lp.SGD(lp.schedules.WarmupLinearDecay(learning_rate, 0, steps))

    common: dict[str, Any] = {
        "num_embeddings": data.num_embeddings,
        "dtype": dtype,
        "rounding": rounding,
        "optimizer": falling(settings.learning_rate),
        "dense_optimizer": falling(settings.dense_learning_rate),
        "standardize": True,
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "seed": options.seed,
        "verbose": not options.quiet,
    }
    if options.model == "logistic":
        return lp.LogisticRegression(**common)
    hidden = settings.hidden
    return lp.DLRM(embedding_dim=16, bottom_mlp=hidden, top_mlp=hidden, **common)


def settings_of(options: argparse.Namespace) -> Settings:
    """The documented settings, with what the command line changes."""
    settings = SETTINGS[options.model, "criteo" if options.data else "planted"]
    given = {f.name: getattr(options, f.name, None) for f in fields(Settings)}
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


class Curve:
    """Scores a model now and then while it trains, and times the training without the scoring."""

    def __init__(self, X: Any, y: Any, total_samples: int) -> None:
        self.points: list[tuple[int, float]] = []
        self.seconds = 0.0
        self._X, self._y = X, y
        self._every = total_samples / CURVE_POINTS
        self._samples = total_samples
        self._started = time.perf_counter()

    def __call__(self, model: Any, samples: int) -> None:
        """What `fit` calls after each step."""
        due = (len(self.points) + 1) * self._every
        if samples < due and samples < self._samples:
            return
        self.seconds += time.perf_counter() - self._started
        self.points.append((samples, lp.metrics.log_loss(self._y, probability(model, self._X))))
        self._started = time.perf_counter()


def probability(model: Any, X: Any) -> Any:
    """The probability of a click for each sample."""
    return model.predict_proba(X)[:, 1]


def run(options: argparse.Namespace, dtype: str, rounding: str) -> dict[str, Any]:
    """Train and score one variant; the result is a row of the table, and its learning curve."""
    data = load(options)
    compile_kernels(options, data, dtype, rounding)
    (X, y), (X_test, y_test) = data.train, data.test
    model = make_model(options, data, dtype, rounding)
    curve = Curve(X_test, y_test, model.epochs * len(y))
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
        "table_bytes": model.table_.nbytes,
        "peak_rss_bytes": peak_memory(),
        "samples_per_second": model.epochs * len(y) / curve.seconds,
        "precision": model.roundoff_,
        "curve": curve.points,
    }


def compile_kernels(options: argparse.Namespace, data: Data, dtype: str, rounding: str) -> None:
    """Train on a few samples once, so that no time goes to the compiler later."""
    (dense, indices), y = data.train
    model = make_model(options, replace(data, num_embeddings=[1] * 26), dtype, rounding)
    few = slice(0, 512)
    model.set_params(epochs=1, verbose=False)
    model.fit((dense[few], np.zeros_like(indices[few])), y[few])
    model.predict_proba((dense[few], np.zeros_like(indices[few])))


def format_table(runs: list[dict[str, Any]]) -> str:
    """The results for people."""
    header = (
        f"{'tables':<20}{'log loss':>10}{'AUC':>9}{'norm. entropy':>15}"
        f"{'table MB':>10}{'peak MB':>9}{'samples/s':>11}"
    )
    rows = [
        f"{row['dtype'] + ' ' + row['rounding'] if row['dtype'] != 'float32' else 'float32':<20}"
        f"{row['log_loss']:>10.5f}{row['roc_auc']:>9.5f}{row['normalized_entropy']:>15.5f}"
        f"{row['table_bytes'] / 1e6:>10.2f}{row['peak_rss_bytes'] / 1e6:>9.0f}"
        f"{row['samples_per_second']:>11,.0f}"
        for row in runs
    ]
    return "\n".join([header, "-" * len(header), *rows])


def format_precision(runs: list[dict[str, Any]]) -> str:
    """What rounding does to the steps, and what nearest was said to lose beside what it lost."""
    found = {row["dtype"] + " " + row["rounding"]: row["precision"] for row in runs}
    stochastic, nearest = found[report.STOCHASTIC.name], found[report.NEAREST.name]
    float32 = found["float32 nearest"]
    said = [
        ("said by the float32 run", float32.of("float16")),
        ("said by the stochastic run", stochastic),
        ("lost by the nearest run", nearest),
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
    left.set(xlabel="samples trained on", ylabel="log loss on the test rows", title=title)
    right.set(xlabel="samples trained on", title="difference to float32")
    right.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3), useMathText=True)
    for axis in (left, right):
        axis.ticklabel_format(axis="x", style="sci", scilimits=(0, 4), useMathText=True)
    left.legend(frameon=False)
    report.save_figure(figure, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=("logistic", "dlrm"), default="logistic")
    parser.add_argument("--data", nargs="+", metavar="FILE", help="Criteo rows, plain or .gz")
    parser.add_argument(
        "--test", nargs="+", metavar="FILE", help="rows to score; default: the last 20 %% of --data"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random; default 0")
    parser.add_argument("--json", metavar="OUT", help="write the results as JSON")
    parser.add_argument(
        "--figure", metavar="OUT", default="criteo.png", help="learning curves; default criteo.png"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument(
        "--samples", type=int, default=300_000, help="planted clicks, where there is no --data"
    )
    parser.add_argument(
        "--num-embeddings", type=int, default=100_000, help="ids a feature, with --data"
    )
    group = parser.add_argument_group("training", "defaults depend on the model and the data")
    group.add_argument("--epochs", type=int)
    group.add_argument("--batch-size", type=int)
    group.add_argument("--learning-rate", type=float, help="of the tables, at the start")
    group.add_argument("--dense-learning-rate", type=float, help="of all else, at the start")
    options = parser.parse_args(arguments)
    if options.test and not options.data:
        parser.error("--test needs --data")
    return options


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Run the three variants, print the table, save the figure and the JSON."""
    options = parse_arguments(arguments)
    source = "Criteo rows" if options.data else "planted clicks"
    print(f"{options.model} on {source}, seed {options.seed}: {settings_of(options)}", flush=True)
    runs = [run_in_child(run, options, v.dtype, v.rounding) for v in report.VARIANTS]
    print(format_table(runs))
    print(format_precision(runs))
    save_figure(runs, options.figure, f"{options.model}, {source}")
    if options.json:
        rows = [{**row, "precision": precision_as_json(row["precision"])} for row in runs]
        keys = [key for key in runs[0] if key != "curve"]
        report.write_json(options.json, {"runs": [{k: row[k] for k in keys} for row in rows]})
    return runs


if __name__ == "__main__":
    main()
