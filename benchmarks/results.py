"""A comparison: contestants timed in turns under one setting."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks import machine
from benchmarks.timing import Spread, interleaved, ratio, spread

WARMUP = 2  # rounds

# lowprec's tables: name in reports -> dtype, rounding
LOWPREC = {
    "lowprec float32": ("float32", "nearest"),
    "lowprec nearest": ("float16", "nearest"),
    "lowprec stochastic": ("float16", "stochastic"),
}
REFERENCE, NEAREST, SUBJECT = LOWPREC


@dataclass(frozen=True)
class Options:
    """What the command line asks of every suite."""

    threads: tuple[int, ...]
    quick: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Comparison:
    """What was measured under one setting.

    `seconds` has a list a contestant, round by round; the subject is the one that others are
    compared with.  A turn does `amount` of `unit`; in milliseconds without a unit.  `environment`
    has a contestant's settings, or those of "all".  `table` has more numbers of a contestant, by
    the name of their column.
    """

    suite: str
    setting: dict[str, Any]
    subject: str = ""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    amount: float = 0.0
    unit: str = ""
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    environment: dict[str, dict[str, str]] = field(default_factory=dict)
    table: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def spread(self, name: str) -> Spread:
        """Of a contestant's seconds."""
        return spread(self.seconds[name])

    def ratio(self, name: str) -> Spread:
        """How many times faster than this contestant the subject is."""
        return ratio(self.seconds[self.subject], self.seconds[name])

    def disturbances(self) -> list[str]:
        """What casts doubt on the numbers."""
        found = machine.disturbances(self.before, self.after) if self.before else []
        unsteady = [name for name in self.seconds if self.spread(name).unsteady]
        return found + ([f"unsteady: {', '.join(unsteady)}"] if unsteady else [])

    def as_json(self) -> dict[str, Any]:
        """All fields, and what follows from them."""
        return {
            **asdict(self),
            "statistics": {
                name: {**self.spread(name)._asdict(), "unsteady": self.spread(name).unsteady}
                for name in self.seconds
            },
            "ratios": {
                name: self.ratio(name)._asdict() for name in self.seconds if name != self.subject
            },
            "disturbances": self.disturbances(),
        }


Job = Callable[[], list[Comparison]]  # what a suite is made of: one or more comparisons each


def measure(
    suite: str,
    setting: dict[str, Any],
    subject: str,
    contestants: Mapping[str, Callable[[int], object]],
    rounds: int,
    *,
    seed: int = 0,
    processes: Iterable[int] = (),
    environments: Mapping[str, Mapping[str, str]] | None = None,
    **more: Any,
) -> Comparison:
    """Time contestants in turns.

    If they run in `processes` of their own, `environments` has an environment for each.
    """
    interleaved(contestants, WARMUP)
    before = machine.activity(processes)
    seconds = interleaved(contestants, rounds, seed)
    after = machine.activity(processes)
    return Comparison(
        suite,
        setting,
        subject,
        seconds,
        before=before,
        after=after,
        environment={
            name: machine.settings(environment)
            for name, environment in (environments or {"all": os.environ}).items()
        },
        **more,
    )
