"""The optimizers that are compared, how each trains each model, and a training by these settings.

Another optimizer is one more line of `OPTIMIZERS`; `python -m benchmarks.optimizers --search` looks
for its settings from there.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import lowprec as lp

MODELS = ("logistic", "DLRM")
_DLRM = {"embedding_dim": 16, "bottom_mlp": (64,), "top_mlp": (64,), "interaction": "dot"}
_OF_MODEL = ("l2",)  # the settings that are parameters of a model


@dataclass(frozen=True)
class Settings:
    """How an optimizer trains a model; the gradient is that of a batch's mean loss."""

    rate: float  # of the table
    dense_rate: float
    batch_size: int
    epochs: int
    more: Mapping[str, float] = field(default_factory=dict)  # of the table's optimizer, or `l2`
    falls: bool = True  # rates fall linearly to 0; False: they are constant


class Entry(NamedTuple):
    """An optimizer of tables, that of the dense layers beside it, and settings for each model."""

    table: Any
    dense: Any
    logistic: Settings | None
    DLRM: Settings | None
    both: Mapping[str, Any] = {}  # arguments of both optimizers
    schedules: bool = True  # False: rates must be constant, as FTRL's
    of_table: Mapping[str, Any] = {}  # arguments of the table's optimizer that are no numbers

    def settings(self, model: str) -> Settings:
        """Those for a model of `MODELS`; KeyError if it is not trained with this optimizer."""
        found: Settings | None = getattr(self, model)
        if found is None:
            raise KeyError(model)
        return found


MOMENTUM = {"momentum": 0.9}
OPTIMIZERS: dict[str, Entry] = {
    "SGD": Entry(lp.SGD, lp.SGD, Settings(1.5, 0.05, 128, 8), Settings(5.1, 1.1, 128, 2)),
    "SGD, l2": Entry(lp.SGD, lp.SGD, Settings(1.5, 0.025, 128, 12, {"l2": 1e-4}), None),
    "SGD, momentum": Entry(
        lp.SGD, lp.SGD, Settings(0.2, 0.005, 128, 6), Settings(1.0, 0.16, 128, 2), MOMENTUM
    ),
    "SGD, Adam": Entry(lp.SGD, lp.Adam, None, Settings(10.0, 0.003, 128, 1)),  # dense layers: Adam
    "Adagrad": Entry(
        lp.Adagrad, lp.Adam,
        Settings(0.1, 0.005, 128, 3, {"initial_accumulator": 3e-4}),
        Settings(0.075, 0.003, 128, 1, {"initial_accumulator": 3e-6}),
    ),
    "Adagrad, decay": Entry(
        lp.Adagrad, lp.Adam,
        Settings(0.4, 0.003, 128, 8, {"initial_accumulator": 0.03, "weight_decay": 7e-4}),
        None, of_table={"decay": "catch_up"},
    ),
    "RowWiseAdagrad": Entry(
        lp.RowWiseAdagrad, lp.Adam,
        Settings(0.1, 0.005, 128, 3, {"initial_accumulator": 3e-4}),
        Settings(0.04, 0.001, 128, 1, {"initial_accumulator": 1e-6}, falls=False),
    ),
    "Adam": Entry(
        lp.Adam, lp.Adam,
        Settings(0.005, 0.006, 128, 3, {"eps": 3e-4}),
        Settings(0.01, 0.0042, 128, 1, {"eps": 1e-6}),
    ),
    "LAMB": Entry(
        lp.LAMB, lp.Adam, Settings(0.03, 0.005, 128, 6), Settings(0.04, 0.003, 128, 2)
    ),
    "FTRL": Entry(
        lp.FTRL, lp.Adam,
        Settings(0.05, 0.002, 128, 4, {"beta": 0.015, "l1": 0.002}, falls=False),
        Settings(0.03, 0.001, 128, 1, {"beta": 3e-4, "l1": 0.0}, falls=False),
        schedules=False,
    ),
}  # fmt: skip


def trained(models: Iterable[str], optimizers: Iterable[str]) -> list[tuple[str, str]]:
    """The models and the optimizers that train them, among these."""
    pairs = itertools.product(models, optimizers)
    return [(model, name) for model, name in pairs if getattr(OPTIMIZERS[name], model)]


class Format(NamedTuple):
    """How a table stores weights and states."""

    dtype: str
    rounding: str
    state_dtype: str
    state_rounding: str

    def weights_and_states(self, *, stateful: bool) -> tuple[str, str]:
        """Both for people."""
        weights = self.dtype + (", nearest" if self.rounding == "nearest" else "")
        states = self.state_dtype + (", nearest" if self.state_rounding == "nearest" else "")
        float32 = "float32"  # has nothing to round
        return (
            float32 if self.dtype == float32 else weights,
            "none" if not stateful else float32 if self.state_dtype == float32 else states,
        )


FLOAT32, SUBJECT = "float32", "float16, bfloat16"
FORMATS: dict[str, Format] = {
    FLOAT32: Format("float32", "nearest", "float32", "nearest"),
    "float16, float32": Format("float16", "stochastic", "float32", "nearest"),
    SUBJECT: Format("float16", "stochastic", "bfloat16", "stochastic"),
    "nearest": Format("float16", "nearest", "bfloat16", "nearest"),
}
STATELESS = (FLOAT32, SUBJECT, "nearest")  # what differs where there are no states


class Data(NamedTuple):
    """Samples in the order of time, and how many ids each feature has."""

    dense: NDArray[np.float32]
    indices: NDArray[Any]
    y: NDArray[Any]
    num_embeddings: list[int]

    def part(self, start: float, stop: float) -> Data:
        """From one share of the samples to another."""
        rows = slice(round(start * len(self.y)), round(stop * len(self.y)))
        return Data(self.dense[rows], self.indices[rows], self.y[rows], self.num_embeddings)


class Result(NamedTuple):
    """What a training gave."""

    log_loss: float
    roc_auc: float
    samples_per_second: float
    bytes_per_parameter: float
    zeros: float  # the share of weights that are 0, of the ids that were trained on


def is_stateful(entry: Entry) -> bool:
    """Whether a table has states beside its weights."""
    return bool(entry.table(0.1, **entry.both, **entry.of_table).states())


def formats_of(entry: Entry) -> dict[str, Format]:
    """The formats that differ."""
    return FORMATS if is_stateful(entry) else {name: FORMATS[name] for name in STATELESS}


def make_model(
    entry: Entry, model: str, settings: Settings, how: Format, data: Data, seed: int
) -> Any:
    """A model to be trained on `data`."""
    steps = settings.epochs * math.ceil(len(data.y) / settings.batch_size)
    more = {name: value for name, value in settings.more.items() if name not in _OF_MODEL}

    def rate(peak: float) -> Any:
        return lp.schedules.WarmupLinearDecay(peak, 0, steps) if settings.falls else peak

    common: dict[str, Any] = {
        "num_embeddings": data.num_embeddings,
        "dtype": how.dtype,
        "rounding": how.rounding,
        "optimizer": entry.table(
            rate(settings.rate), **entry.both, **entry.of_table, **more,
            state_dtype=how.state_dtype, state_rounding=how.state_rounding,
        ),
        "dense_optimizer": entry.dense(rate(settings.dense_rate), **entry.both),
        "standardize": True,
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "seed": seed,
        **{name: value for name, value in settings.more.items() if name in _OF_MODEL},
    }  # fmt: skip
    return lp.LogisticRegression(**common) if model == "logistic" else lp.DLRM(**_DLRM, **common)


class _Clock:
    """Times the steps of `fit` after the first, which waits for the new tables."""

    def __init__(self) -> None:
        self._calls: list[tuple[float, int]] = []

    def __call__(self, model: Any, samples: int) -> None:
        self._calls = [*self._calls[:1], (time.perf_counter(), samples)]

    def samples_per_second(self) -> float:
        (start, before), (end, after) = self._calls[0], self._calls[-1]
        return (after - before) / (end - start) if end > start else math.nan


def train(
    entry: Entry, model: str, settings: Settings, how: Format, data: Data, test: Data, seed: int
) -> Result:
    """Train on `data` and score `test`."""
    made, clock = make_model(entry, model, settings, how, data, seed), _Clock()
    made.fit((data.dense, data.indices), data.y, callback=clock)
    p = made.predict_proba((test.dense, test.indices))[:, 1]
    return Result(
        lp.metrics.log_loss(test.y, p),
        lp.metrics.roc_auc(test.y, p),
        clock.samples_per_second(),
        made.table_.nbytes / made.table_.weight.size,
        _zeros(made.table_, data),
    )


def _zeros(table: Any, data: Data) -> float:
    offsets = np.cumsum([0, *data.num_embeddings[:-1]])
    return float((table.weight[np.unique(data.indices + offsets)] == 0).mean())
