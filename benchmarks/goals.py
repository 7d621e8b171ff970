"""What the CPU kernels are to reach, and whether a run reached it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.data import FEATURES
from benchmarks.generators import KWX32, NUMBA_TWISTER, NUMPY_TWISTER, XORSHIFT
from benchmarks.limits import LIMIT, UPDATE
from benchmarks.results import NEAREST, REFERENCE, SUBJECT, Comparison

SGD_PEERS = ("PyTorch", "FBGEMM")


@dataclass(frozen=True)
class Goal:
    """The subject is to be `at_least` so many times as fast as each contestant of `against`.

    It counts under all settings of a suite whose values are among those of `where`.
    """

    text: str
    at_least: float
    suite: str
    against: tuple[str, ...]
    where: dict[str, tuple[Any, ...]]
    subject: str = SUBJECT


class Reached(NamedTuple):
    """The ratio under a setting: to the fastest, if the goal has several contestants."""

    ratio: float
    setting: dict[str, Any]


_LARGE, _MODEL = {"rows": (10**7,)}, {"rows": (FEATURES * 100_000,)}
GOALS = (
    Goal("the fastest float32 SGD peer, 1e7 x 64, 2 threads", 3.0, "table", SGD_PEERS,
         {**_LARGE, "dim": (64,), "threads": (2,)}),
    Goal("the fastest float32 SGD peer, 1e7 x 16, 2 threads", 2.5, "table", SGD_PEERS,
         {**_LARGE, "dim": (16,), "threads": (2,)}),
    Goal("stochastic float16 in PyTorch, 1e7 x 64, 2 threads", 9.0, "table", ("PyTorch f16+SR",),
         {**_LARGE, "dim": (64,), "threads": (2,)}),
    Goal("own float32, dim 64, beyond cache, uniform", 1.5, "table", (REFERENCE,),
         {"rows": (10**6, 10**7), "dim": (64,), "ids": ("uniform",), "batch": (4096,)}),
    Goal("own float32, dim 64, beyond cache, Zipf", 1.3, "table", (REFERENCE,),
         {"rows": (10**6, 10**7), "dim": (64,), "ids": ("zipf",), "batch": (4096,)}),
    Goal("own float32, dim 128, beyond cache", 1.2, "table", (REFERENCE,),
         {"rows": (10**6, 10**7), "dim": (128,), "batch": (4096,)}),
    Goal("own float32, dim 16, beyond cache", 1.1, "table", (REFERENCE,),
         {**_LARGE, "dim": (16,), "batch": (4096,)}),
    Goal("own float32, tables in cache", 0.97, "table", (REFERENCE,),
         {"rows": (10**5,), "batch": (4096,)}),
    Goal("own nearest rounding, dims 16 and 64", 0.95, "table", (NEAREST,),
         {"dim": (16, 64), "batch": (4096,)}),
    Goal("Mersenne twisters in the same update, dim 64", 10.0, "generators",
         (NUMBA_TWISTER, NUMPY_TWISTER), {"rows": (10**6,), "dim": (64,)}, KWX32),
    Goal("xorshift number by number in the same update, dim 64", 4.0, "generators",
         (XORSHIFT,), {"rows": (10**6,), "dim": (64,)}, KWX32),
    Goal("the limit of an update, 1e7 x 64, 2 threads", 0.65, "limits", (LIMIT,),
         {**_LARGE, "dim": (64,), "threads": (2,)}, UPDATE),
    Goal("the limit of an update, 1e7 x 16, 2 threads", 0.45, "limits", (LIMIT,),
         {**_LARGE, "dim": (16,), "threads": (2,)}, UPDATE),
    Goal("PyTorch: DLRM, dims 16 and 64, 2 threads", 1.3, "dlrm", ("PyTorch",),
         {**_MODEL, "dim": (16, 64), "threads": (2,)}),
    Goal("NumPy: logistic regression, 2 threads", 3.0, "logistic", ("NumPy add.at",),
         {**_MODEL, "threads": (2,)}),
)  # fmt: skip


def reached(goal: Goal, comparisons: Iterable[Comparison]) -> list[Reached]:
    """What a run reached under each setting of a goal, the lowest first."""
    found = []
    for one in comparisons:
        against = [name for name in goal.against if name in one.seconds]
        fits = all(one.setting.get(name) in values for name, values in goal.where.items())
        if (one.suite, one.subject) == (goal.suite, goal.subject) and fits and against:
            found.append(Reached(min(one.ratio(name).median for name in against), one.setting))
    return sorted(found, key=lambda one: one.ratio)


def as_json(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Goals and what was reached, where a run has a setting of theirs."""
    return [
        {
            "goal": goal.text,
            "at_least": goal.at_least,
            "met": found[0].ratio >= goal.at_least,
            "reached": [one._asdict() for one in found],
        }
        for goal in GOALS
        if (found := reached(goal, comparisons))
    ]
