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
from benchmarks.report import markdown_row, markdown_table
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


def compare(name: str, batch_size: int, rounds: int) -> list[str]:
    """A row of the table."""
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
    return [
        name, f"{batch_size}", f"{step:.2f} ms",
        f"{look.median:.2f} [{look.low:.2f}, {look.high:.2f}]", f"{cost:.1f} %",
    ]  # fmt: skip


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


def _noise(share: float) -> str:
    """In percent, with two digits or all before the point."""
    percent = 100 * share
    if percent < 0.01:
        return "< 0.01 %"
    return f"{percent:,.0f} %" if percent >= 10 else f"{percent:.2g} %"


def predict() -> None:
    """Print the table of predicted and lost steps."""
    header = [
        "model, rate, epochs", "format", "predicted by float32", "predicted by stochastic",
        "lost by nearest", "noise", "log loss - float32's",
    ]  # fmt: skip
    print(markdown_table(header, []), end="")
    for name, rate, *others in SETTINGS:
        of_float32, loss = train(name, rate, *others, "float32", "nearest")
        setting = f"{name.split(',')[0]}, {rate:g}, {others[-1]}"
        for dtype in FORMATS:
            stochastic, loss_here = train(name, rate, *others, dtype, "stochastic")
            nearest, _ = train(name, rate, *others, dtype, "nearest")
            shares = (
                of_float32.of(dtype).lost_share, stochastic.lost_share, nearest.lost_share,
            )  # fmt: skip
            units = round(1e5 * (loss_here - loss))
            row = [
                setting, dtype, *(f"{100 * share:,.2f} %" for share in shares),
                _noise(stochastic.noise_share), f"{units:+}e-5" if units else "0",
            ]  # fmt: skip
            print(markdown_row(row), flush=True)


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
    header = ["model", "batch", "step", "diagnosis, in steps", "cost of one in 100"]
    print(markdown_table(header, []), end="")
    for name in MODELS:
        for batch_size in BATCH_SIZES:
            print(markdown_row(compare(name, batch_size, options.rounds)), flush=True)


if __name__ == "__main__":
    main()
