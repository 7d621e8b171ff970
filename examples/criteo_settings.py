"""What the Criteo example trains on, and the models and settings that it trains."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import lowprec as lp

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


def few_samples(options: argparse.Namespace) -> Data:
    """Such samples as the command line asks for."""
    if options.data:
        sizes = [options.num_embeddings] * 26
        X, y = next(iter(lp.datasets.CriteoReader(options.data, sizes, batch_size=1000)))
    else:
        sizes = list(lp.datasets.DEFAULT_NUM_EMBEDDINGS)
        X, y, _ = lp.datasets.make_clicks(1000, sizes, seed=options.seed)
    return Data((X, y), (X, y), sizes)
