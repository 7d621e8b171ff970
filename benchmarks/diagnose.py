"""What the running report of a training costs: steps with it and without it, in turns.

    python -m benchmarks.diagnose

A step with a look takes a few times as long as one without, which can be told apart on a noisy
machine; one look in `every_batches` steps, as `lp.Diagnose` has it, costs that much less.
"""

from __future__ import annotations

import argparse
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
    diagnose = lp.Diagnose(every_batches=1)
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
    every = lp.Diagnose().every_batches
    return (
        f"{name:<18}{batch_size:>6}{step:>10.2f}"
        f"{look.median:>12.2f} [{look.low:.2f}, {look.high:.2f}]{100 * look.median / every:>12.1f} %"
    )


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args(arguments)
    print(
        f"{'model':<18}{'batch':>6}{'step, ms':>10}{'a look, in steps [quartiles]':>27}"
        f"{'every 100':>12}"
    )
    for name in MODELS:
        for batch_size in BATCH_SIZES:
            print(compare(name, batch_size, options.rounds), flush=True)


if __name__ == "__main__":
    main()
