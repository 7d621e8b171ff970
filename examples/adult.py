"""Who earns more than 50,000 dollars (UCI Adult), from a frame of strings and numbers.

Trains logistic regression on several encodings of the numbers, and a DLRM.  Prints the mean and the
range of the log loss in a five-fold cross-validation. --peers also trains scikit-learn's logistic
regression, on one-hot categories and standardised numbers. --figure draws the losses.

examples:
  python examples/adult.py --data adult.data.gz --peers
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow
import report
from pyarrow import csv

import lowprec as lp

NAMES = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week",
    "native_country", "income",
]  # fmt: skip
FIFTHS = 5


def load(path: str) -> tuple[pyarrow.Table, np.ndarray]:
    """The frame, in which "?" is missing, and the labels."""
    with pyarrow.input_stream(path) as stream:  # decompressed, if its name ends in .gz
        table = csv.read_csv(
            stream,
            csv.ReadOptions(column_names=NAMES),
            convert_options=csv.ConvertOptions(
                null_values=["?", " ?"], strings_can_be_null=True, auto_dict_encode=True
            ),
        )
    income = table["income"].to_pylist()
    return table.drop(["income"]), np.array([">50K" in each for each in income], np.int8)


def logistic(samples: lp.Samples, y: np.ndarray) -> lp.LogisticRegression:
    """Logistic regression with the settings that the encodings are compared with."""
    model = lp.LogisticRegression(optimizer=lp.Adagrad(0.3), batch_size=256, epochs=5)
    return model.fit(samples, y)


def dlrm(samples: lp.Samples, y: np.ndarray) -> lp.DLRM:
    """A small DLRM."""
    model = lp.DLRM(
        embedding_dim=8, bottom_mlp=(64,), top_mlp=(64,), batch_size=256, epochs=3,
        optimizer=lp.Adagrad(0.05), dense_optimizer=lp.Adagrad(0.02),
    )  # fmt: skip
    return model.fit(samples, y)


def ids_alone(samples: lp.Samples) -> lp.Samples:
    """Samples without their dense features."""
    return lp.Samples(indices=samples.indices, num_embeddings=samples.num_embeddings)


def unchanged(samples: lp.Samples) -> lp.Samples:
    """Samples as they are."""
    return samples


ENCODINGS: dict[str, tuple[int, Callable[[lp.Samples], lp.Samples]]] = {
    "standardised": (1, unchanged),  # the only bin says whether a number is missing
    **{f"{bins} bins": (bins, ids_alone) for bins in (16, 32, 64)},
    **{f"{bins} bins and standardised": (bins, unchanged) for bins in (16, 32, 64)},
}


def fifths(rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows of each training set and each test set."""
    fifth = np.arange(rows) % FIFTHS
    for k in range(FIFTHS):
        yield np.flatnonzero(fifth != k), np.flatnonzero(fifth == k)


def score(
    frame: pyarrow.Table,
    y: np.ndarray,
    bins: int,
    change: Callable[[lp.Samples], lp.Samples],
    fit: Callable[[lp.Samples, np.ndarray], Any],
) -> list[float]:
    """The log loss on each fifth."""
    losses = []
    for train, test in fifths(len(y)):
        encoder = lp.TabularEncoder(bins=bins).fit(frame.take(train))
        model = fit(change(encoder.transform(frame.take(train))), y[train])
        samples = change(encoder.transform(frame.take(test)))
        losses.append(lp.metrics.log_loss(y[test], model.predict_proba(samples)[:, 1]))
    return losses


def score_peer(frame: pyarrow.Table, y: np.ndarray) -> list[float]:
    """The log loss of scikit-learn on each fifth."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    data, losses = frame.to_pandas(), []
    categorical = make_column_selector(dtype_exclude="number")
    for train, test in fifths(len(y)):
        encoder = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), categorical),
            (StandardScaler(), make_column_selector(dtype_include="number")),
        )
        model = make_pipeline(encoder, LogisticRegression(max_iter=300))
        model.fit(data.iloc[train], y[train])
        p = model.predict_proba(data.iloc[test])[:, 1]
        losses.append(lp.metrics.log_loss(y[test], p))
    return losses


def save_figure(losses: dict[str, list[float]], path: str) -> None:
    """The mean and the range of each, best last."""
    made, axis = report.figure(1)
    for place, (name, found) in enumerate(losses.items()):
        color = report.PEER_COLOR if name.startswith("scikit-learn") else report.STOCHASTIC.color
        axis.plot([min(found), max(found)], [place, place], color=color, linewidth=2)
        axis.plot([np.mean(found)], [place], "o", color=color)
    axis.set_yticks(range(len(losses)), list(losses))
    axis.invert_yaxis()
    axis.set(xlabel="log loss: mean and range of five folds")
    report.save_figure(made, path)


def main() -> None:
    """Print a line for each encoding and model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="adult.data, plain or .gz")
    parser.add_argument("--peers", action="store_true", help="train scikit-learn's model, too")
    parser.add_argument("--figure", metavar="OUT", help="draw the losses")
    arguments = parser.parse_args()
    frame, y = load(arguments.data)
    shown: dict[str, list[float]] = {}

    def show(name: str, losses: list[float]) -> None:
        spread = f"{min(losses):.4f} to {max(losses):.4f}"
        print(f"{name:44s} {np.mean(losses):.4f}  {spread}", flush=True)
        shown[name] = losses

    if arguments.peers:
        show("scikit-learn, one-hot and standardised", score_peer(frame, y))
    for name, (bins, change) in ENCODINGS.items():
        show(f"LogisticRegression, {name}", score(frame, y, bins, change, logistic))
    show("DLRM, 32 bins and standardised", score(frame, y, 32, unchanged, dlrm))
    if arguments.figure:
        save_figure(shown, arguments.figure)


if __name__ == "__main__":
    main()
