"""Does float16 score like float32? Log loss, AUC and normalized entropy over paired seeds.

Every seed trains each variant on the same rows in the same order from the same initial weights.
The rows are planted clicks with small updates, of which rounding to nearest loses many; with --data
there are also rows in Criteo's format.  Settings are those of `criteo.py --optimizer sgd`;
docs/optimizers.md compares other optimizers in the same way.  The DLRM on planted clicks also has
variants that use fewer random bits than the 13 that float16 has room for.

examples:
  python examples/parity.py
  python examples/parity.py --full --data train.tsv.gz
"""

from __future__ import annotations

import argparse
from typing import Any

import criteo
import numpy as np
import report

import lowprec as lp
from benchmarks.generator_kernels import FewerBits

MODELS = ("logistic", "dlrm")
METRICS = {
    "log_loss": lp.metrics.log_loss,
    "roc_auc": lp.metrics.roc_auc,
    "normalized_entropy": lp.metrics.normalized_entropy,
}
BITS = (8, 4, 1)
SEEDS, SAMPLES, SAMPLES_IN_FULL = 5, 15_000, 40_000


def variants(model: str, with_bits: bool) -> dict[str, report.Variant]:
    """What is trained, by name."""
    found = {variant.name: variant for variant in report.VARIANTS}
    if model == "dlrm" and with_bits:
        found |= {_bits(bits): report.STOCHASTIC for bits in BITS}
    return found


def _bits(bits: int) -> str:
    return f"{report.STOCHASTIC.name}, {bits} bit{'s' if bits > 1 else ''}"


def score(options: argparse.Namespace, name: str, variant: report.Variant) -> dict[str, float]:
    """Train one variant and score it on the test rows."""
    data = criteo.load(options)
    model = criteo.make_model(options, data, variant.dtype, variant.rounding)
    for bits in BITS:
        if name == _bits(bits):
            model.set_params(optimizer=FewerBits(model.optimizer.learning_rate, bits))
    model.fit(*data.train)
    X, y = data.test
    p = criteo.probability(model, X)
    return {metric: function(y, p) for metric, function in METRICS.items()}


def compare(arguments: list[str], seeds: int, with_bits: bool) -> dict[str, Any]:
    """All variants of one model over the seeds; differences to float32, paired by seed."""
    model = criteo.parse_arguments(arguments).model
    scores: dict[str, dict[str, list[float]]] = {}
    for seed in range(seeds):
        options = criteo.parse_arguments([*arguments, "--quiet", "--seed", str(seed)])
        for name, variant in variants(model, with_bits).items():
            found = score(options, name, variant)
            for metric, value in found.items():
                scores.setdefault(name, {}).setdefault(metric, []).append(value)
        losses = "  ".join(f"{name} {of['log_loss'][-1]:.5f}" for name, of in scores.items())
        print(f"{model}, seed {seed}: {losses}", flush=True)
    reference = scores[report.FLOAT32.name]
    return {
        "model": model,
        "arguments": arguments,
        "scores": scores,
        "differences": {
            name: {
                metric: report.Interval.of(np.subtract(values, reference[metric]))
                for metric, values in found.items()
            }
            for name, found in scores.items()
        },
    }


def print_result(title: str, result: dict[str, Any]) -> None:
    """Means, and paired differences to float32 with their 95 % intervals."""
    print(f"{result['model']}, {title}: mean, and difference to float32 over paired seeds")
    for name, found in result["scores"].items():
        for metric, values in found.items():
            told = f"  {name:<28}{metric:<20}{np.mean(values):.5f}"
            difference = result["differences"][name][metric]
            print(told if name == report.FLOAT32.name else f"{told}  {difference:+.1e}")


def draw(results: list[tuple[str, dict[str, Any]]], path: str) -> None:
    """The differences in log loss and their intervals."""
    figure, axes = report.figure(len(results), height=3.6)
    colors = {variant.name: variant.color for variant in report.VARIANTS}
    for axis, (title, result) in zip(np.atleast_1d(axes), results, strict=True):
        names = [name for name in result["scores"] if name != report.FLOAT32.name]
        for place, name in enumerate(names):
            interval = result["differences"][name]["log_loss"]
            color = colors.get(name, "#5f9fcf")
            losses, reference = (
                np.array(result["scores"][n]["log_loss"]) for n in (name, report.FLOAT32.name)
            )
            seeds = 1e4 * (losses - reference)
            mean, half = 1e4 * interval.mean, 1e4 * (interval.high - interval.mean)
            axis.plot(
                seeds, np.full(len(seeds), place - 0.16), "x", color=color, markersize=5, alpha=0.8,
            )  # fmt: skip
            if len(seeds) > 1:
                axis.errorbar(mean, place, xerr=half, fmt="none", ecolor=color, capsize=5)
                axis.plot(mean, place, "o", color=color, markersize=5)
        axis.axvspan(-2, 2, color="#f0f0f0", zorder=0)
        axis.axvline(0, color=report.FLOAT32.color, linewidth=1)
        axis.set_yticks(range(len(names)), [n.removeprefix("float16 ") for n in names])
        axis.set(title=f"{result['model']}, {title}")
        axis.set_ylim(-0.6, len(names) - 0.4)
        axis.invert_yaxis()
    seeds = len(results[0][1]["scores"][report.FLOAT32.name]["log_loss"])
    told = f"crosses: {seeds} seeds; dots and lines: mean and 95 % interval; grey: within 2e-4"
    if seeds == 1:
        told = "crosses: one seed, which has no interval; grey: within 2e-4"
    figure.supxlabel(f"log loss minus that of float32, in 1e-4 ({told})", fontsize="medium")
    report.save_figure(figure, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = report.parser(__doc__, "parity")
    parser.add_argument("--data", nargs="+", metavar="FILE", help="Criteo rows, plain or .gz")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--samples", type=int, help="planted clicks")
    options = parser.parse_args(arguments)
    options.seeds = options.seeds or SEEDS
    options.samples = options.samples or (SAMPLES_IN_FULL if options.full else SAMPLES)
    return options


def main(arguments: list[str] | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Planted clicks, and Criteo rows if there are any; print, save the figure and the numbers."""
    options = parse_arguments(arguments)
    sources = {"planted clicks": ["--samples", str(options.samples)]}
    if options.data:
        sources["Criteo rows"] = ["--data", *options.data]
    results = []
    for title, source in sources.items():
        for model in options.models:
            with_bits = title == "planted clicks"
            arguments = ["--optimizer", "sgd", "--model", model, *source]
            result = compare(arguments, options.seeds, with_bits)
            results.append((title, result))
            print_result(title, result)
    draw(results, options.figure)
    report.write_json(
        options.json, {"results": [{"rows": title, **result} for title, result in results]}
    )
    return results


if __name__ == "__main__":
    main()
