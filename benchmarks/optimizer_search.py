"""Look for the settings of an optimizer: one number after the other, each up and down.

Each setting is scored by the mean log loss of float32 trainings over a few seeds.  A number goes up
or down for as long as that helps.  Rates move by a factor of 2 until nothing helps, then by 1.4.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lowprec as lp
from benchmarks.optimizer_settings import FLOAT32, FORMATS, Data, Entry, Settings, train

LEARN = 0.8  # of the training samples; those after it are scored
FACTORS = (2.0, 1.4)
ENOUGH = 2e-5  # what an improvement must be: less is noise
LARGEST_RATE = 1.0  # except SGD's, whose steps are as small as the gradients
LADDERS: dict[str, tuple[float, ...]] = {
    "batch_size": (128, 256, 512, 1024),
    "epochs": (1, 2, 3, 4, 6, 8, 12),
    "initial_accumulator": (0.0, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 0.03, 0.1),
    "eps": (1e-8, 1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "beta2": (0.9, 0.99, 0.999),
    "l2": (0.0, 1e-5, 2e-5, 5e-5, 1e-4),
    "weight_decay": (0.0, 1e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2),
    "l1": (0.0, 1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 1e-2),
    "beta": (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.015, 0.03, 0.1, 1.0),
}


def search(
    entry: Entry, model: str, data: Data, seeds: int, tell: Callable[[Settings, float], None]
) -> tuple[Settings, float]:
    """The best settings that are found from those of `entry`, and their log loss.

    Only `data` is looked at: its first 80 % are trained on, its last 20 % are scored.
    """
    scored: dict[str, float] = {}
    learn, held_out = data.part(0.0, LEARN), data.part(LEARN, 1.0)

    def score(settings: Settings) -> float:
        if repr(settings) not in scored:
            losses = [_loss(entry, model, settings, learn, held_out, seed) for seed in range(seeds)]
            scored[repr(settings)] = statistics.fmean(losses)
            tell(settings, scored[repr(settings)])
        return scored[repr(settings)]

    best = entry.settings(model)
    for factor in FACTORS:
        improved = True
        while improved:
            before = best
            for name in ("rate", "dense_rate", *best.more, "epochs", "batch_size", "falls"):
                best = _along(entry, best, name, factor, score)
            improved = best != before
    return best, score(best)


def _loss(entry: Entry, model: str, settings: Settings, data: Data, test: Data, seed: int) -> float:
    try:
        return train(entry, model, settings, FORMATS[FLOAT32], data, test, seed).log_loss
    except FloatingPointError:  # it diverged
        return float("inf")


def _along(
    entry: Entry, best: Settings, name: str, factor: float, score: Callable[[Settings], float]
) -> Settings:
    """The best settings along one number."""
    for up in (True, False):
        start = best
        while other := _moved(entry, best, name, up, factor):
            if score(other) > score(best) - ENOUGH:
                break
            best = other
        if best != start:
            break
    return best


def _moved(entry: Entry, settings: Settings, name: str, up: bool, factor: float) -> Settings | None:
    """The neighbour of these settings; None at an end."""
    if name in ("rate", "dense_rate"):
        value = getattr(settings, name) * (factor if up else 1.0 / factor)
        stepped_by = entry.table if name == "rate" else entry.dense
        too_large = value >= LARGEST_RATE and not _takes_any_rate(stepped_by)
        return None if too_large else replace(settings, **{name: _rounded(value)})
    if name == "falls":
        return replace(settings, falls=up) if up != settings.falls and entry.schedules else None
    place = LADDERS[name]
    now = settings.more[name] if name in settings.more else getattr(settings, name)
    position = place.index(now) + (1 if up else -1)
    if not 0 <= position < len(place):
        return None
    if name in settings.more:
        return replace(settings, more={**settings.more, name: place[position]})
    changed: dict[str, Any] = {name: place[position]}
    if name == "batch_size":  # half the steps: each is longer
        longer = place[position] / now
        for rate, stepped_by in (("rate", entry.table), ("dense_rate", entry.dense)):
            scale = longer if _takes_any_rate(stepped_by) else longer**0.5
            changed[rate] = _rounded(getattr(settings, rate) * scale)
    return replace(settings, **changed)


def _takes_any_rate(optimizer: Any) -> bool:
    return optimizer is lp.SGD


def _rounded(value: float) -> float:
    """To two digits."""
    return float(f"{value:.2g}")
