"""Models trained end to end, each in a process of its own; the processes take turns.

A turn is a pass over a chunk of data, and chunks rotate.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks import child
from benchmarks.data import draw_clicks
from benchmarks.results import LOWPREC, SUBJECT, Comparison, measure

BATCH = 2048
_CHUNKS = 3


@dataclass(frozen=True)
class Contestant:
    """A process: `target` makes its `Turn` from `arguments` and needs an installed package."""

    target: str
    arguments: dict[str, Any]
    table_bytes: int
    package: str = "lowprec"


Turn = Callable[[int], None]  # called with the number of the turn


def lowprec_contestants(
    target: str, arguments: dict[str, Any], num_weights: int
) -> dict[str, Contestant]:
    """One of each format; `target` takes dtype and rounding too."""
    return {
        name: Contestant(
            target,
            {"dtype": dtype, "rounding": rounding, **arguments},
            num_weights * np.dtype(dtype).itemsize,
        )
        for name, (dtype, rounding) in LOWPREC.items()
    }


def lowprec_turn(model: Any, rows_of_feature: int, samples: int, seed: int) -> Turn:
    """Trains a lowprec model."""
    chunks = [draw_clicks(seed + i, samples, rows_of_feature) for i in range(_CHUNKS)]

    def turn(number: int) -> None:
        dense, indices, y = chunks[number % _CHUNKS]
        model.partial_fit((dense, indices), y)

    return turn


def peer_turn(model: Any, rows_of_feature: int, samples: int, seed: int) -> Turn:
    """Trains a model that has `prepare`, called before, and `step`, both for a batch."""
    chunks = [draw_clicks(seed + i, samples, rows_of_feature) for i in range(_CHUNKS)]
    batches = [
        [
            model.prepare(*(part[start : start + BATCH] for part in chunk))
            for start in range(0, samples, BATCH)
        ]
        for chunk in chunks
    ]

    def turn(number: int) -> None:
        for batch in batches[number % _CHUNKS]:
            model.step(*batch)

    return turn


def take_turns(
    suite: str,
    setting: dict[str, Any],
    contestants: dict[str, Contestant],
    samples: int,
    rounds: int,
    seed: int,
) -> Comparison:
    """Time turns of `samples` each in processes with ``setting["threads"]`` threads."""
    missing = [name for name, one in contestants.items() if not find_spec(one.package)]
    there = {name: one for name, one in contestants.items() if name not in missing}
    environments = {
        name: child.environment(setting["threads"], with_peers=name not in LOWPREC)
        for name in there
    }
    with ExitStack() as stack:
        children = {
            name: stack.enter_context(child.Child(one.target, one.arguments, environments[name]))
            for name, one in there.items()
        }
        comparison = measure(
            suite,
            setting,
            SUBJECT,
            children,
            rounds,
            seed=seed,
            processes=[process.pid for process in children.values()],
            environments=environments,
            amount=samples,
            unit="samples/s",
            notes=[_absence(name, contestants[name].package) for name in missing],
        )
    for name, process in children.items():
        comparison.table[name] = {
            "tables, MB": contestants[name].table_bytes / 1e6,
            "peak of the process, MB": process.peak_memory / 1e6,
        }
    return comparison


def _absence(name: str, package: str) -> str:
    return f"{name} is left out: {package} is not installed"
