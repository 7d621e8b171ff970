"""Which settings models have by default: candidates on data of several kinds and sizes.

Prints the log loss on samples that were not trained on.  Nothing is tuned to one kind of data: a
default shall be good on all of them.

    python -m benchmarks.defaults --adult adult.data.gz --criteo train.tsv.gz

Data that is not given is left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import lowprec as lp
from lowprec.optimizers import defaults

PLANTED = (1_000, 10_000, 100_000, 1_000_000)  # samples, a fifth of them for the score
_HASHED = 100_000  # rows of each feature of Criteo

Data = tuple[str, Any, Any, Any, Any]  # name, X and y to train on, X and y to score


def settings(optimizer: Any, dense: Any, batch_size: int, epochs: int) -> dict[str, Any]:
    steps = {"optimizer": optimizer, "dense_optimizer": dense}
    return {**steps, "batch_size": batch_size, "epochs": epochs}


LOGISTIC = {
    "default: Adagrad 0.1 from 1e-4; 256; 1": settings(*defaults.LINEAR, 256, 1),
    "SGD 1, .02; 2048; 1": settings(lp.SGD(1.0), lp.SGD(0.02), 2048, 1),
    **{
        f"Adagrad {rate}; {size}; {epochs}": settings(lp.Adagrad(rate), None, size, epochs)
        for rate, size, epochs in [
            (0.05, 256, 1), (0.1, 256, 1), (0.2, 256, 1), (0.1, 256, 3), (0.1, 1024, 1),
            (0.2, 1024, 1), (0.1, 128, 1), (0.1, 256, 5),
        ]
    },
    "Adagrad 0.1, Adam 0.005; 256; 1": settings(lp.Adagrad(0.1), lp.Adam(0.005), 256, 1),
    "Adagrad 0.1, Adam 0.005; 256; 3": settings(lp.Adagrad(0.1), lp.Adam(0.005), 256, 3),
}  # fmt: skip
DLRM = {
    "SGD 10, .1; 2048; 1": settings(lp.SGD(10.0), lp.SGD(0.1), 2048, 1),
    "default: Adagrad 0.05, 0.01; 256; 1": settings(
        defaults.DLRM_TABLE, defaults.DLRM_DENSE, 256, 1
    ),
    **{
        f"Adagrad {rate}, {dense}; {size}; {epochs}": settings(
            lp.Adagrad(rate), lp.Adagrad(dense), size, epochs
        )
        for rate, dense, size, epochs in [
            (0.05, 0.02, 256, 1), (0.05, 0.02, 256, 2), (0.1, 0.02, 256, 1),
        ]
    },
    **{
        f"RowWiseAdagrad {rate}, Adam {dense}; {size}; {epochs}": settings(
            lp.RowWiseAdagrad(rate), lp.Adam(dense), size, epochs
        )
        for rate, dense, size, epochs in [
            (0.04, 0.001, 128, 1), (0.04, 0.001, 256, 1), (0.04, 0.001, 256, 2),
            (0.02, 0.001, 256, 1),
        ]
    },
    **{
        f"Adagrad {rate}, Adam {dense}; {size}; {epochs}": settings(
            lp.Adagrad(rate), lp.Adam(dense), size, epochs
        )
        for rate, dense, size, epochs in [
            (0.05, 0.001, 256, 1), (0.02, 0.001, 256, 1), (0.05, 0.001, 256, 2),
        ]
    },
}  # fmt: skip


def planted() -> Iterator[Data]:
    """Clicks whose chances are known, of several sizes."""
    for samples in PLANTED:
        (dense, indices), y, _ = lp.datasets.make_clicks(samples, seed=0)
        cut = samples - samples // 5
        yield (
            f"planted {samples:,}", (dense[:cut], indices[:cut]), y[:cut],
            (dense[cut:], indices[cut:]), y[cut:],
        )  # fmt: skip


def adult(path: Path) -> Data:
    """People, from a frame; every fifth is scored."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    from adult import load

    frame, y = load(str(path))
    test = np.arange(len(y)) % 5 == 0
    encoder = lp.TabularEncoder().fit(frame.filter(~test))
    return (
        "Adult", encoder.transform(frame.filter(~test)), y[~test],
        encoder.transform(frame.filter(test)), y[test],
    )  # fmt: skip


def criteo(path: Path) -> Data:
    """Clicks in the order of time; the last fifth is scored."""
    (dense, indices), y = lp.datasets.load_criteo(path, num_embeddings=_HASHED)
    cut = len(y) - len(y) // 5
    return "Criteo", (dense[:cut], indices[:cut]), y[:cut], (dense[cut:], indices[cut:]), y[cut:]


def score(make: Callable[..., Any], data: Data, parameters: dict[str, Any]) -> float:
    """The log loss on what was not trained on; inf if training diverges."""
    _, X, y, X_test, y_test = data
    sizes = None if isinstance(X, lp.Samples) else (np.maximum(X[1].max(0), X_test[1].max(0)) + 1)
    try:
        model = make(None if sizes is None else sizes.tolist(), **parameters).fit(X, y)
    except FloatingPointError:
        return np.inf
    return lp.metrics.log_loss(y_test, model.predict_proba(X_test)[:, 1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--adult", type=Path, help="adult.data, also .gz")
    parser.add_argument("--criteo", type=Path, help="rows of Criteo's format, also .gz")
    parser.add_argument("--models", nargs="+", choices=("logistic", "dlrm"), default=["logistic"])
    options = parser.parse_args()
    found = list(planted())
    found += [adult(options.adult)] if options.adult else []
    found += [criteo(options.criteo)] if options.criteo else []
    for name in options.models:
        make, candidates = {
            "logistic": (lp.LogisticRegression, LOGISTIC), "dlrm": (lp.DLRM, DLRM),
        }[name]  # fmt: skip
        print(f"| {name} | " + " | ".join(data[0] for data in found) + " |", flush=True)
        print("|---" * (len(found) + 1) + "|")
        for told, parameters in candidates.items():
            scores = [score(make, data, parameters) for data in found]
            print(f"| {told} | " + " | ".join(f"{each:.4f}" for each in scores) + " |", flush=True)


if __name__ == "__main__":
    main()
