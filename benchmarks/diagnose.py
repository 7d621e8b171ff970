"""What the running report of a training costs, and whether what it says comes true.

    python -m benchmarks.diagnose
    python -m benchmarks.diagnose --predict

The first compares steps with a look and without, in turns.  A step with one takes a few times as
long, which can be told apart on a noisy machine; one look in `every_batches` steps, as
`lp.Diagnostics` has it, costs that much less.

The second trains on planted clicks in every format: the share of steps that float32 and stochastic
runs say that nearest would lose, beside what the nearest run lost; and the noise of stochastic
rounding beside the difference that it makes to the log loss on clicks that were not trained on.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import lowprec as lp
from benchmarks.timing import interleaved, spread

_SIZES = lp.datasets.DEFAULT_NUM_EMBEDDINGS
MODELS: dict[str, Callable[[int], Any]] = {
    "logistic": lambda batch_size: lp.LogisticRegression(_SIZES, batch_size=batch_size),
    "DLRM, 16 columns": lambda batch_size: lp.DLRM(
        _SIZES, bottom_mlp=(64,), top_mlp=(64,), batch_size=batch_size
    ),
}
BATCH_SIZES = (256, 2048)
STEPS = 10  # of one turn


def compare(name: str, batch_size: int, rounds: int) -> str:
    """A line of the table."""
    off, on = (MODELS[name](batch_size) for _ in range(2))
    X, y, _ = lp.datasets.make_clicks(STEPS * batch_size, _SIZES, seed=0)
    diagnose = lp.Diagnostics(every_batches=1)
    for model in (off, on):
        model.partial_fit(X, y, diagnose=diagnose)  # compiles
    seconds = interleaved(
        {
            "off": lambda _: off.partial_fit(X, y),
            "on": lambda _: on.partial_fit(X, y, diagnose=diagnose),
        },
        rounds,
    )
    step = 1e3 * spread(seconds["off"]).median / STEPS
    pairs = zip(seconds["on"], seconds["off"], strict=True)
    look = spread([with_it / without - 1 for with_it, without in pairs])
    cost = 100 * look.median / lp.Diagnostics().every_batches
    return (
        f"{name:<18}{batch_size:>6}{step:>10.2f}"
        f"{look.median:>12.2f} [{look.low:.2f}, {look.high:.2f}]{cost:>12.1f} %"
    )


# --- prediction against truth ---

SETTINGS = (  # model, learning rate of the table, of all else, epochs
    ("logistic", 0.005, 0.05, 3),
    ("logistic", 0.1, 0.05, 2),
    ("logistic", 1.0, 0.05, 2),
    ("logistic", 3.0, 0.05, 2),
    ("logistic", 10.0, 0.05, 1),
    ("DLRM, 16 columns", 0.3, 0.1, 1),
    ("DLRM, 16 columns", 3.0, 0.1, 2),
    ("DLRM, 16 columns", 10.0, 0.1, 2),
)
FORMATS = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
SAMPLES = 60_000  # of which four fifths are trained on


def train(
    name: str, rate: float, dense_rate: float, epochs: int, dtype: str, rounding: str
) -> tuple[lp.RoundoffReport, float]:
    """The report on a training, and the log loss after it; learning rates fall to zero."""
    (dense, indices), y, _ = lp.datasets.make_clicks(SAMPLES, _SIZES, seed=0)
    cut = SAMPLES * 4 // 5
    model = MODELS[name](256)
    steps = epochs * math.ceil(cut / model.batch_size)
    model.set_params(
        dtype=dtype,
        rounding=rounding,
        optimizer=lp.SGD(lp.schedules.WarmupLinearDecay(rate, 0, steps)),
        dense_optimizer=lp.SGD(lp.schedules.WarmupLinearDecay(dense_rate, 0, steps)),
        standardize=True,
        epochs=epochs,
    )
    model.fit((dense[:cut], indices[:cut]), y[:cut], diagnose=lp.Diagnostics(every_batches=20))
    clicks = model.predict_proba((dense[cut:], indices[cut:]))[:, 1]
    assert model.roundoff_ is not None
    return model.roundoff_, lp.metrics.log_loss(y[cut:], clicks)


def predict() -> None:
    """Print said and true."""
    print(
        f"{'model, rate, epochs':<26}{'format':<15}{'lost: float32 says':>19}"
        f"{'stochastic says':>17}{'nearest lost':>14}{'noise':>10}{'log loss - float32':>20}"
    )
    for name, rate, *others in SETTINGS:
        of_float32, loss = train(name, rate, *others, "float32", "nearest")
        setting = f"{name.split(',')[0]}, {rate:g}, {others[-1]}"
        for dtype in FORMATS:
            stochastic, loss_here = train(name, rate, *others, dtype, "stochastic")
            nearest, _ = train(name, rate, *others, dtype, "nearest")
            print(
                f"{setting:<26}{dtype:<15}"
                f"{of_float32.of(dtype).lost_share:>19.2%}{stochastic.lost_share:>17.2%}"
                f"{nearest.lost_share:>14.2%}{stochastic.noise_share:>10.2%}"
                f"{loss_here - loss:>+20.5f}",
                flush=True,
            )


def main(arguments: list[str] | None = None) -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--predict", action="store_true", help="prediction against truth")
    options = parser.parse_args(arguments)
    if options.predict:
        predict()
        return
    print(
        f"{'model':<18}{'batch':>6}{'step, ms':>10}{'a look, in steps [quartiles]':>27}"
        f"{'every 100':>12}"
    )
    for name in MODELS:
        for batch_size in BATCH_SIZES:
            print(compare(name, batch_size, options.rounds), flush=True)


if __name__ == "__main__":
    main()
