"""Training in float16 against float32: the tables' part, the whole model, and why.

DLRMs of several shapes train in float32 and in float16, in turns, on the same samples.  Lookups and
updates are timed separately from the rest, which is the same for both.  The overall gain depends on
the share of the dense layers.

examples:
  python examples/speed.py
  python examples/speed.py --full
"""

from __future__ import annotations

from typing import Any

import report
import turns
from turns import Shape, make_model, median, quartiles, speed_up, told, train_in_turns

import lowprec as lp
from benchmarks.report import markdown_table

SHAPES = (
    Shape(1_000_000, 64, (64,), 2048),
    Shape(1_000_000, 64, (512, 256), 2048),
    Shape(1_000_000, 64, (64,), 512, pooling=20),
)
SHAPES_IN_FULL = (
    Shape(10_000_000, 64, (64,), 4096),
    Shape(10_000_000, 64, (64,), 4096, "zipf"),
    Shape(10_000_000, 128, (64,), 4096),
    Shape(10_000_000, 16, (64,), 4096),
    Shape(10_000_000, 64, (512, 256), 4096),
    Shape(10_000_000, 64, (64,), 1024, pooling=20),
    Shape(10_000_000, 64, (64,), 1024, "zipf", pooling=20),
    Shape(10_000_000, 64, (64,), 1024, pooling=50),
)
PARTS = ("lookup", "update", "embedding", "total")


def compare(shape: Shape, batches: int, rounds: int) -> dict[str, Any]:
    """One shape: milliseconds a step of each part, and how many times faster float16 is."""
    models = {
        v.name: make_model(shape, v.dtype, v.rounding, lp.SGD(0.1))
        for v in (report.FLOAT32, report.STOCHASTIC)
    }
    slow, fast = train_in_turns(shape, models, batches, rounds, seed=0).values()
    return {
        "shape": shape.name,
        "milliseconds": {
            name: {part: 1e3 * median(getattr(t, part)) / batches for part in PARTS}
            for name, t in ((report.FLOAT32.name, slow), (report.STOCHASTIC.name, fast))
        },
        "step_quartiles": {
            name: quartiles(t.total, batches)
            for name, t in ((report.FLOAT32.name, slow), (report.STOCHASTIC.name, fast))
        },
        "speed_up": {part: speed_up(getattr(slow, part), getattr(fast, part)) for part in PARTS},
    }


def print_result(result: dict[str, Any]) -> None:
    """For people."""
    print(result["shape"])
    for name, parts in result["milliseconds"].items():
        rest = parts["total"] - parts["embedding"]
        print(
            f"  {name:<20} lookup {parts['lookup']:6.2f}  update {parts['update']:6.2f}  "
            f"rest {rest:6.2f}  step {parts['total']:6.2f} ms"
        )
    tables, whole = (result["speed_up"][part] for part in ("embedding", "total"))
    print(
        f"  float16 is faster: tables {told(tables)}, whole training {told(whole)} "
        "(median and quartiles)",
        flush=True,
    )


def table(results: list[dict[str, Any]]) -> str:
    """The table of docs/claims.md: milliseconds, and how many times faster float16 is."""
    rows = []
    for result in results:
        row = [result["shape"]]
        for part in ("embedding", "total"):
            row += [f"{parts[part]:.1f}" for parts in result["milliseconds"].values()]
            row.append(told(result["speed_up"][part]))
        rows.append(row)
    header = [
        f"{part}{column}"
        for part in ("tables, ", "whole step, ") for column in ("float32", "float16", "faster")
    ]  # fmt: skip
    return markdown_table(["rows x columns", *header], rows)


def draw(results: list[dict[str, Any]], path: str) -> None:
    """Where the time of a step goes, medians, and the quartiles of the whole."""
    figure, axis = report.figure(1, height=1.0 + 0.9 * len(results))
    colors = {"lookup": "#2b7bba", "update": "#8fc1e3", "rest": "#d0d0d0"}
    for place, result in enumerate(results):
        for shift, (name, parts) in zip((-0.2, 0.2), result["milliseconds"].items(), strict=True):
            parts = {**parts, "rest": parts["total"] - parts["embedding"]}
            left = 0.0
            for part, color in colors.items():
                label = part if place == 0 and shift < 0 else None
                axis.barh(place + shift, parts[part], 0.36, left, color=color, label=label)
                left += parts[part]
            low, high = result["step_quartiles"][name]
            turns.whisker(axis, low, high, place + shift)
            end = max(left, high)
            axis.text(end, place + shift, f"  {name}", va="center", fontsize="small")
    axis.set_yticks(range(len(results)), [result["shape"] for result in results])
    axis.set(xlabel="milliseconds a step (medians; lines: quartiles of the whole)")
    axis.margins(x=0.35)
    axis.grid(axis="y", visible=False)
    axis.invert_yaxis()
    report.legend_below(figure, axis)
    report.save_figure(figure, path)


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """All shapes; print, save the figure and the numbers."""
    options = turns.parser(__doc__, "speed", rounds=11, batches=10).parse_args(arguments)
    shapes = SHAPES_IN_FULL if options.full else SHAPES
    return turns.run(options, shapes, compare, print_result, table, draw)


if __name__ == "__main__":
    main()
