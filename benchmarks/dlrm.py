"""Training a DLRM end to end, against the same model in PyTorch: float32, sparse SGD."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.data import FEATURES, NUM_DENSE, draw_clicks
from benchmarks.results import Comparison, Job, Options
from benchmarks.training import (
    BATCH,
    Contestant,
    Turn,
    lowprec_contestants,
    lowprec_turn,
    peer_turn,
    take_turns,
)

TITLE = "DLRM: training end to end"
LEARNING_RATE, DENSE_LEARNING_RATE = 1.0, 0.02


def lowprec_model(
    dtype: str, rounding: str, dim: int, hidden: list[int], rows_of_feature: int, **data: int
) -> Turn:
    """Trains `lowprec.DLRM`."""
    import lowprec as lp  # see child.Child

    model = lp.DLRM(
        [rows_of_feature] * FEATURES,
        dim,
        bottom_mlp=hidden,
        top_mlp=hidden,
        dtype=dtype,
        rounding=rounding,
        optimizer=lp.SGD(LEARNING_RATE),
        dense_optimizer=lp.SGD(DENSE_LEARNING_RATE),
        batch_size=BATCH,
    )
    return lowprec_turn(model, rows_of_feature, **data)


def pytorch_model(dim: int, hidden: list[int], rows_of_feature: int, **data: int) -> Turn:
    """Trains the same model in PyTorch."""
    import torch

    from benchmarks.peers import pytorch_models

    rng = np.random.default_rng(data["seed"])
    bound = 1.0 / np.sqrt(rows_of_feature)
    weight = torch.empty(FEATURES * rows_of_feature, dim).uniform_(-bound, bound)
    pairs = FEATURES * (FEATURES + 1) // 2
    bottom = pytorch_models.draw_layers([NUM_DENSE, *hidden, dim], rng)
    top = pytorch_models.draw_layers([dim + pairs, *hidden, 1], rng)
    models = [
        pytorch_models.DLRM(
            weight, FEATURES, bottom, top, LEARNING_RATE, DENSE_LEARNING_RATE, stacked=stacked
        )
        for stacked in (True, False)
    ]
    model = pytorch_models.faster(models, draw_clicks(data["seed"], BATCH, rows_of_feature))
    return peer_turn(model, rows_of_feature, **data)


def compare(
    dim: int, hidden: list[int], rows_of_feature: int, batches: int, threads: int, rounds: int,
    seed: int,
) -> list[Comparison]:  # fmt: skip
    """Training with one embedding dimension."""
    samples = batches * BATCH
    arguments: dict[str, Any] = {
        "dim": dim,
        "hidden": hidden,
        "rows_of_feature": rows_of_feature,
        "samples": samples,
        "seed": seed,
    }
    num_weights = FEATURES * rows_of_feature * dim
    contestants = lowprec_contestants("benchmarks.dlrm:lowprec_model", arguments, num_weights)
    contestants["PyTorch"] = Contestant(
        "benchmarks.dlrm:pytorch_model", arguments, 4 * num_weights, "torch"
    )
    rows = FEATURES * rows_of_feature
    setting = {"rows": rows, "dim": dim, "batch": BATCH, "threads": threads}
    return [take_turns("dlrm", setting, contestants, samples, rounds, seed)]


def jobs(options: Options) -> list[Job]:
    """The suite."""
    if options.quick:
        size = {"rows_of_feature": 1000, "hidden": [64, 32], "batches": 2, "rounds": 3}
    else:
        size = {"rows_of_feature": 100_000, "hidden": [512, 256], "batches": 16, "rounds": 11}
    return [
        partial(compare, dim=dim, threads=max(options.threads), seed=options.seed, **size)
        for dim in ((16,) if options.quick else (16, 64))
    ]
