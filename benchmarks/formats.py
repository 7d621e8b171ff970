"""Log losses of a logistic regression with each storage format and rounding, at two rates.

    python -m benchmarks.formats

Prints the table of docs/choosing-a-format.md: planted clicks, SGD, one seed; four fifths of the
samples are trained on, the rest is scored.
"""

from __future__ import annotations

import argparse

import lowprec as lp
from benchmarks.report import markdown_table

FORMATS = ("float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
RATES = (1.0, 0.1)
ROUNDINGS = ("nearest", "stochastic")


def loss(samples: int, rate: float, dtype: str, rounding: str) -> float:
    """The log loss on the last fifth of planted clicks."""
    (dense, indices), y, _ = lp.datasets.make_clicks(samples, seed=0)
    first = samples * 4 // 5
    model = lp.LogisticRegression(
        lp.datasets.DEFAULT_NUM_EMBEDDINGS, dtype=dtype, rounding=rounding,
        optimizer=lp.SGD(rate), dense_optimizer=lp.SGD(0.02), epochs=2, batch_size=128,
    )  # fmt: skip
    model.fit((dense[:first], indices[:first]), y[:first])
    clicks = model.predict_proba((dense[first:], indices[first:]))[:, 1]
    return lp.metrics.log_loss(y[first:], clicks)


def main(arguments: list[str] | None = None) -> None:
    """Print a row for each format."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=250_000)
    samples = parser.parse_args(arguments).samples
    rows = []
    for dtype in FORMATS:
        cells = [dtype]
        for rate in RATES:
            for rounding in ROUNDINGS:
                twice = dtype == "float32" and rounding == "stochastic"  # nothing is rounded
                cells.append("" if twice else f"{loss(samples, rate, dtype, rounding):.5f}")
        rows.append(cells)
    header = ["", *(f"rate {rate:g}, {rounding}" for rate in RATES for rounding in ROUNDINGS)]
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
