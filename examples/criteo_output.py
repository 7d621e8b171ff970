"""What the Criteo example prints, draws and writes."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np
import report
from criteo_settings import settings_of

import lowprec as lp


def format_table(runs: list[dict[str, Any]]) -> str:
    """The results for people."""
    header = (
        f"{'tables':<20}{'log loss':>10}{'AUC':>9}{'norm. entropy':>15}"
        f"{'weights MB':>12}{'table MB':>10}{'peak MB':>9}{'samples/s':>11}"
    )
    rows = [
        f"{row['dtype'] + ' ' + row['rounding'] if row['dtype'] != 'float32' else 'float32':<20}"
        f"{row['log_loss']:>10.5f}{row['roc_auc']:>9.5f}{row['normalized_entropy']:>15.5f}"
        f"{row['weight_bytes'] / 1e6:>12.2f}{row['table_bytes'] / 1e6:>10.2f}"
        f"{row['peak_rss_bytes'] / 1e6:>9.0f}{row['samples_per_second']:>11,.0f}"
        for row in runs
    ]
    return "\n".join([header, "-" * len(header), *rows])


def format_precision(runs: list[dict[str, Any]]) -> str:
    """What rounding does to steps, and the predicted and measured losses of nearest rounding."""
    found = {row["dtype"] + " " + row["rounding"]: row["precision"] for row in runs}
    stochastic, nearest = found[report.STOCHASTIC.name], found[report.NEAREST.name]
    float32 = found["float32 nearest"]
    said = [
        ("predicted by the float32 run", float32.of("float16")),
        ("predicted by the stochastic run", stochastic),
        ("measured in the nearest run", nearest),
    ]
    lines = [
        f"  {who:<38}{told.lost_share:>8.2%} of the steps, {told.lost_mass_share:.2%} of movement"
        for who, told in said
    ]
    recommended = f"recommended: {stochastic.recommend()}"
    return "\n".join([str(stochastic), recommended, "float16, rounded to nearest:", *lines])


def precision_as_json(told: lp.RoundoffReport) -> dict[str, Any]:
    """Counts, and what follows from them."""
    return {
        **asdict(told),
        "lost_share": told.lost_share,
        "lost_mass_share": told.lost_mass_share,
        "lost_share_float16": told.of("float16").lost_share,
        "mean_error": told.mean_error,
        "rms_error": told.rms_error,
        "recommendation": asdict(told.recommend()),
    }


def save_figure(runs: list[dict[str, Any]], path: str, title: str) -> None:
    """Learning curves, and beside them their differences to float32."""
    figure, (left, right) = report.figure(2)
    reference = np.array(runs[0]["curve"])
    for variant, row in zip(report.VARIANTS, runs, strict=True):
        samples, losses = np.array(row["curve"]).T
        style = {"color": variant.color, "linestyle": variant.line}
        width = 3.0 if variant is report.FLOAT32 else 1.8
        left.plot(samples, losses, **style, linewidth=width, label=variant.name)
        right.plot(samples, losses - reference[:, 1], **style, linewidth=width)
    left.set(xlabel="samples trained on", ylabel="log loss on the test rows")
    left.set_title(f"{title} (one seed)")
    right.set(xlabel="samples trained on", title="difference to float32")
    right.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3), useMathText=True)
    for axis in (left, right):
        axis.ticklabel_format(axis="x", style="sci", scilimits=(0, 4), useMathText=True)
    report.legend_below(figure, left)
    report.save_figure(figure, path)


def described(options: argparse.Namespace) -> str:
    """The settings for people."""
    settings = settings_of(options)
    more = "".join(f", {name}={value!r}" for name, value in settings.more.items())
    falling = ", falling to 0" if settings.falls else ""
    epochs = "1 epoch" if settings.epochs == 1 else f"{settings.epochs} epochs"
    return (
        f"{epochs} in batches of {settings.batch_size}, "
        f"{settings.optimizer.__name__}({settings.learning_rate:g}{more}) for the tables, "
        f"{settings.dense_optimizer.__name__}({settings.dense_learning_rate:g}) for the rest"
        f"{falling}; {options.threads} thread{'s' if options.threads > 1 else ''}"
    )
