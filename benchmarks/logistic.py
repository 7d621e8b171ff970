"""Training a logistic regression end to end, against NumPy's `add.at` and PyTorch."""

from __future__ import annotations

from functools import partial

from benchmarks.data import FEATURES, NUM_DENSE
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

TITLE = "Logistic regression: training end to end"
LEARNING_RATE = 0.1


def lowprec_model(dtype: str, rounding: str, rows_of_feature: int, **data: int) -> Turn:
    """Trains `lowprec.LogisticRegression`."""
    import lowprec as lp  # see child.Child

    model = lp.LogisticRegression(
        [rows_of_feature] * FEATURES,
        dtype=dtype,
        rounding=rounding,
        optimizer=lp.SGD(LEARNING_RATE),
        batch_size=BATCH,
    )
    return lowprec_turn(model, rows_of_feature, **data)


def numpy_model(rows_of_feature: int, **data: int) -> Turn:
    """Trains the same model with NumPy alone."""
    from benchmarks.peers.add_at import LogisticRegression

    model = LogisticRegression(rows_of_feature, FEATURES, NUM_DENSE, LEARNING_RATE)
    return peer_turn(model, rows_of_feature, **data)


def pytorch_model(rows_of_feature: int, **data: int) -> Turn:
    """Trains the same model in PyTorch."""
    from benchmarks.peers.pytorch_models import LogisticRegression

    model = LogisticRegression(rows_of_feature, FEATURES, NUM_DENSE, LEARNING_RATE)
    return peer_turn(model, rows_of_feature, **data)


def compare(
    rows_of_feature: int, batches: int, threads: int, rounds: int, seed: int
) -> list[Comparison]:
    """Training with a number of threads."""
    samples = batches * BATCH
    arguments = {"rows_of_feature": rows_of_feature, "samples": samples, "seed": seed}
    num_weights = FEATURES * rows_of_feature
    contestants = lowprec_contestants("benchmarks.logistic:lowprec_model", arguments, num_weights)
    for name, function, package in (
        ("NumPy add.at", "numpy_model", "numpy"),
        ("PyTorch", "pytorch_model", "torch"),
    ):
        contestants[name] = Contestant(
            f"benchmarks.logistic:{function}", arguments, 4 * num_weights, package
        )
    setting = {"rows": num_weights, "batch": BATCH, "threads": threads}
    return [take_turns("logistic", setting, contestants, samples, rounds, seed)]


def jobs(options: Options) -> list[Job]:
    """The suite."""
    size = (
        {"rows_of_feature": 1000, "batches": 8, "rounds": 3}
        if options.quick
        else {"rows_of_feature": 100_000, "batches": 128, "rounds": 15}
    )
    return [
        partial(compare, threads=threads, seed=options.seed, **size) for threads in options.threads
    ]
