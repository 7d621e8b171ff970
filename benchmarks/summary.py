"""The tables of docs/performance.md: lookup and update of all contestants, and the goals."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import goals
from benchmarks.results import LOWPREC, NEAREST, REFERENCE, SUBJECT, Comparison

COLUMNS = {
    "float32": REFERENCE,
    "float16, nearest": NEAREST,
    "float16, stochastic": SUBJECT,
    "PyTorch float32": "PyTorch",
    "FBGEMM float32": "FBGEMM",
    "PyTorch float16 + SR": "PyTorch f16+SR",
}
BATCH = 4096

Rows = list[list[str]]


def milliseconds(comparisons: Sequence[Comparison]) -> tuple[list[str], Rows]:
    """Header and rows: medians of a step with most threads, where there are peers."""
    found = [
        one for one in comparisons
        if one.suite == "table" and one.setting["batch"] == BATCH
        and len(one.seconds) > len(LOWPREC)
    ]  # fmt: skip
    most = max((one.setting["threads"] for one in found), default=0)
    rows = [
        [
            _size(one),
            *(
                f"{1e3 * one.spread(name).median:.1f}" if name in one.seconds else ""
                for name in COLUMNS.values()
            ),
        ]
        for one in found
        if one.setting["threads"] == most
    ]
    return ["rows x columns, ids", *COLUMNS], rows


def _size(one: Comparison) -> str:
    rows = f"{one.setting['rows']:.0e}".replace("e+0", "e")
    return f"{rows} x {one.setting['dim']}, {one.setting['ids']}"


def of_goals(comparisons: Sequence[Comparison]) -> tuple[list[str], Rows]:
    """Header and rows: each goal, and the lowest and the highest ratio among its settings."""
    rows = []
    for goal in goals.as_json(comparisons):
        ratios = [f"{one['ratio']:.2f}" for one in goal["reached"]]
        reached = " to ".join(dict.fromkeys((ratios[0], ratios[-1])))
        rows.append([goal["goal"], f"{goal['at_least']:g}", reached])
    return ["stochastic float16 against", "goal", "reached (lowest to highest setting)"], rows
