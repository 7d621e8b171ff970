"""Which optimizer to take: logistic regression and a DLRM, trained with each, in several formats.

    python -m benchmarks.optimizers --data train.tsv.gz --seeds 30 --json out.json --markdown out.md
    python -m benchmarks.optimizers --data train.tsv.gz --search
    python -m benchmarks.optimizers --quick

Data are rows in Criteo's format, in the order of time: the first 80 % are trained on, the last 20 %
are scored.  The settings were chosen on the first 80 % alone, by hand and then by `--search`, which
trains on their first 80 % and scores the rest.  Runs of all formats with the same seed start from
the same weights and see the same rows in the same order.  Formats take turns, after a training of
each that is not counted.  `--quick` draws a few clicks from a planted model instead.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

import lowprec as lp
from benchmarks import machine
from benchmarks.optimizer_search import search
from benchmarks.optimizer_settings import (
    FLOAT32,
    FORMATS,
    MODELS,
    OPTIMIZERS,
    SUBJECT,
    Data,
    Entry,
    Settings,
    formats_of,
    is_stateful,
    train,
    trained,
)
from benchmarks.report import markdown_table
from benchmarks.timing import spread

TRAIN = 0.8
PARITY = 4e-4  # of log loss: the interval of the difference should lie within
MOST_SEEDS = 30
BASELINE = "SGD"
BUCKETS = 100_000  # ids of a feature
SEARCH_SEEDS = {"logistic": 1, "DLRM": 4}  # the weights of a DLRM start at random


class Interval(NamedTuple):
    """A mean over seeds, and its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """In units of 1e-4."""
        mean, low, high = (1e4 * number for number in self)
        return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"


def interval(differences: Sequence[float]) -> Interval:
    """Of two numbers or more."""
    from scipy.stats import t

    n, mean = len(differences), float(np.mean(differences))
    half = float(t.ppf(0.975, n - 1)) * float(np.std(differences, ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def load(options: argparse.Namespace) -> Data:
    """What the command line asks for."""
    if options.quick:
        sizes = [50, 20, 200]
        (dense, indices), y, _ = lp.datasets.make_clicks(4000, sizes, seed=0)
        return Data(dense, indices, y, sizes)
    (dense, indices), y = lp.datasets.load_criteo(options.data, num_embeddings=BUCKETS)
    return Data(dense, indices, y, [BUCKETS] * indices.shape[1])


def run(
    entry: Entry, model: str, settings: Settings, data: Data, seeds: int
) -> dict[str, dict[str, list[float]]]:
    """The numbers of each format, by name, one a seed; formats take turns in random order."""
    learn, test = data.part(0.0, TRAIN), data.part(TRAIN, 1.0)
    formats, rng = formats_of(entry), np.random.default_rng(0)
    few = learn.part(0.0, min(1.0, 3 * settings.batch_size / len(learn.y)))
    for how in formats.values():  # compiles
        train(entry, model, settings, how, few, few, 0)
    names = list(formats)
    found: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    for seed in range(seeds):
        for position in rng.permutation(len(names)):
            name = names[position]
            result = train(entry, model, settings, formats[name], learn, test, seed)
            for key, value in result._asdict().items():
                found[name].setdefault(key, []).append(value)
    return found


def from_float32(one: dict[str, Any], name: str) -> Interval:
    """The log loss of a format less that of float32, in pairs of runs with the same seed."""
    losses = [np.array(one["runs"][each]["log_loss"]) for each in (name, FLOAT32)]
    return interval(losses[0] - losses[1])


def of_model(results: list[dict[str, Any]], model: str) -> dict[str, dict[str, Any]]:
    """The results of a model by optimizer."""
    return {one["optimizer"]: one for one in results if one["model"] == model}


def results_table(results: list[dict[str, Any]], model: str) -> str:
    """A row for each optimizer and format."""
    rows = []
    for optimizer, one in of_model(results, model).items():
        for name, runs in one["runs"].items():
            stateful = is_stateful(OPTIMIZERS[optimizer])
            rows.append([
                optimizer, *FORMATS[name].weights_and_states(stateful=stateful),
                f"{np.mean(runs['log_loss']):.5f}", f"{np.mean(runs['roc_auc']):.4f}",
                f"{runs['bytes_per_parameter'][0]:g}",
                f"{spread(runs['samples_per_second']).median:,.0f}",
                "" if name == FLOAT32 else str(from_float32(one, name)),
            ])  # fmt: skip
    header = (
        "optimizer", "weights", "states", "log loss", "AUC", "bytes a parameter", "samples/s",
        "log loss - float32's, 1e-4",
    )  # fmt: skip
    return markdown_table(header, rows)


def settings_table(results: list[dict[str, Any]]) -> str:
    """How each optimizer trained."""
    rows = []
    for one in results:
        entry, how = OPTIMIZERS[one["optimizer"]], one["settings"]
        more = {**entry.both, **how["more"]}
        texts = [f"{name} {value:g}" for name, value in more.items()]
        rows.append([
            one["model"], one["optimizer"], f"{how['rate']:g}",
            f"{entry.dense.__name__} {how['dense_rate']:g}",
            ", ".join([*texts, *(f"{name} {value}" for name, value in entry.of_table.items())]),
            f"{how['batch_size']}", f"{how['epochs']}",
            "falls to 0" if how.get("falls", True) else "constant",
        ])  # fmt: skip
    header = ("model", "optimizer", "rate", "dense", "more", "batch", "epochs", "schedule")
    return markdown_table(header, rows)


def findings(results: list[dict[str, Any]]) -> list[str]:
    """What was aimed at, and whether it holds."""
    lines = []
    for model in MODELS:
        found = of_model(results, model)
        for optimizer, one in found.items():
            if is_stateful(OPTIMIZERS[optimizer]):
                difference = from_float32(one, SUBJECT)
                holds = max(-difference.low, difference.high) <= PARITY
                lines.append(
                    f"{model}, {optimizer}: float16 with bfloat16 states less float32 is "
                    f"{difference} 1e-4, {'within' if holds else 'NOT within'} 4e-4"
                )
            if one["settings"]["more"].get("l1"):
                shares = ", ".join(
                    f"{np.mean(runs['zeros']):.1%} in {name}" for name, runs in one["runs"].items()
                )
                lines.append(
                    f"{model}, {optimizer}: weights that are 0, of ids trained on: {shares}"
                )
        losses = {name: one["runs"][FLOAT32]["log_loss"] for name, one in found.items()}
        best = min(losses, key=lambda name: np.mean(losses[name]), default=None)
        pairs = [(best, name) for name in losses] + [(name, BASELINE) for name in losses]
        for one, other in dict.fromkeys(pairs):
            if one != other and other in losses:
                common = zip(losses[one], losses[other], strict=False)  # seeds of both
                less = interval([a - b for a, b in common])
                lines.append(f"{model}, float32: {one} less {other} is {less} 1e-4")
    return lines


def report(results: list[dict[str, Any]]) -> str:
    """Everything as Markdown."""
    parts = []
    for model in dict.fromkeys(one["model"] for one in results):
        runs = list(dict.fromkeys(_conditions(one) for one in results if one["model"] == model))
        parts.append(f"{model}, {'; '.join(runs)}:\n\n{results_table(results, model)}")
    parts.append("".join(f"- {line}\n" for line in findings(results)))
    parts.append(f"Settings:\n\n{settings_table(results)}")
    return "\n".join(parts)


def _conditions(one: dict[str, Any]) -> str:
    seeds = len(one["runs"][FLOAT32]["log_loss"])
    about = one["about"]
    threads = f"{about['threads']} thread{'s' * (about['threads'] > 1)}"
    return f"{about['rows']:,} rows, {seeds} seeds, {threads} of {about['processor']}"


def compare(options: argparse.Namespace, data: Data, about: dict[str, Any]) -> None:
    """Run all that is asked for, and write what there is after each optimizer."""
    asked = trained(options.models, options.optimizers)
    earlier = json.loads(options.earlier.read_text())["results"] if options.earlier else []
    results = [one for one in earlier if (one["model"], one["optimizer"]) not in asked]
    for model, name in asked:
        settings = OPTIMIZERS[name].settings(model)
        if options.quick:
            settings = replace(settings, batch_size=256, epochs=1)
        before = machine.activity()
        runs = run(OPTIMIZERS[name], model, settings, data, options.seeds)
        one = {"model": model, "optimizer": name, "settings": asdict(settings), "runs": runs}
        one["about"] = about
        one["disturbances"] = machine.disturbances(before, machine.activity())
        results.append(one)
        results.sort(key=_place)
        losses = {each: f"{np.mean(found['log_loss']):.5f}" for each, found in runs.items()}
        print(model, name, losses, flush=True)
        if options.json:
            options.json.write_text(json.dumps({"results": results}, indent=1) + "\n")
        if options.markdown:
            options.markdown.write_text(report(results))
    print(report(results))


def _place(one: dict[str, Any]) -> tuple[int, int]:
    return MODELS.index(one["model"]), list(OPTIMIZERS).index(one["optimizer"])


def look_for_settings(options: argparse.Namespace, data: Data) -> None:
    """Search for each optimizer and model, on what the final runs train on."""
    for model, name in trained(options.models, options.optimizers):

        def tell(settings: Settings, loss: float, name: str = name, model: str = model) -> None:
            print(f"{loss:.5f}  {model}, {name}: {settings}", flush=True)

        seeds = SEARCH_SEEDS[model]
        best, loss = search(OPTIMIZERS[name], model, data.part(0.0, TRAIN), seeds, tell)
        print(f"{loss:.5f}  {model}, {name}, best: {best}", flush=True)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", nargs="+", metavar="FILE", help="Criteo rows, plain or .gz")
    source.add_argument("--quick", action="store_true", help="planted clicks: does it run?")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS))
    parser.add_argument("--seeds", type=int, help=f"2 to {MOST_SEEDS}; default 10, --quick 2")
    parser.add_argument("--search", action="store_true", help="look for settings instead")
    parser.add_argument("--json", type=Path, metavar="OUT", help="every run")
    parser.add_argument("--markdown", type=Path, metavar="OUT", help="the tables")
    parser.add_argument(
        "--earlier", type=Path, metavar="JSON", help="of an earlier run: what is not run again"
    )
    options = parser.parse_args(arguments)
    options.seeds = options.seeds or (2 if options.quick else 10)
    if not 2 <= options.seeds <= MOST_SEEDS:
        parser.error(f"--seeds must be from 2 to {MOST_SEEDS}, got {options.seeds}")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    data = load(options)
    if options.search:
        look_for_settings(options, data)
        return
    about = {
        "started": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
        "rows": len(data.y),
        "threads": numba.get_num_threads(),
        **machine.describe(),
        "environment": machine.settings(os.environ),
    }
    compare(options, data, about)


if __name__ == "__main__":
    main()
