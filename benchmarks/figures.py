"""Figures of a run, as PNG, at the width of a page.

Each function draws one figure, or returns None where the run has nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import limits
from benchmarks.results import LOWPREC, NEAREST, REFERENCE, SUBJECT, Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.0  # inches
COLORS = {
    SUBJECT: "#1f6fb4",
    NEAREST: "#6baed6",
    REFERENCE: "#0b3c66",
    "PyTorch": "#d9822b",
    "PyTorch f16+SR": "#f2b872",
    "FBGEMM": "#3f7d3a",
    "FBGEMM f16": "#7fb56f",
    "FBGEMM Adagrad": "#b9d7ae",
    "NumPy add.at": "#8c8c8c",
}
_OTHER = "#444444"
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "savefig.dpi": 160,
}


def draw(comparisons: Sequence[Comparison], folder: Path) -> tuple[list[str], str]:
    """Save every figure that the run has data for; their file names, and why there are none."""
    try:
        import matplotlib
    except ImportError:
        return [], "matplotlib is not installed"
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = []
    with plt.rc_context(_STYLE):
        for name, function in FIGURES.items():
            if figure := function(comparisons):
                folder.mkdir(parents=True, exist_ok=True)
                figure.savefig(folder / f"{name}.png")
                plt.close(figure)
                names.append(f"{name}.png")
    return names, ""


def peers(comparisons: Sequence[Comparison]) -> Figure | None:
    """Milliseconds of a step of everyone, at the largest size."""
    found = [one for one in _suite(comparisons, "table") if len(one.seconds) > len(LOWPREC)]
    if not found:
        return None
    rows = max(one.setting["rows"] for one in found)
    threads = max(one.setting["threads"] for one in found)
    found = [
        one for one in found
        if one.setting["rows"] == rows and one.setting["threads"] == threads
        and one.setting["batch"] == found[0].setting["batch"]
    ]  # fmt: skip
    figure, axes = _panels(len(found), height=3.0, sharey=True)
    for axis, one in zip(axes, found, strict=True):
        names = list(one.seconds)[::-1]
        _bars(axis, names, [_milliseconds(one, name) for name in names])
        dim, ids = one.setting["dim"], one.setting["ids"]
        axis.set(xlabel="ms a step", title=f"dim {dim}, {ids}")
    figure.suptitle(f"Lookup + update, {rows:,} rows, {_threads(threads)}")
    return figure


def formats(comparisons: Sequence[Comparison]) -> Figure | None:
    """How much faster stochastic float16 is than float32, over rows, dims, ids and threads."""
    found = [one for one in _suite(comparisons, "table") if one.setting["batch"] == 4096]
    sizes = sorted({one.setting["rows"] for one in found})
    dims = sorted({one.setting["dim"] for one in found})
    if not found:
        return None
    figure, axes = _panels(len(sizes), height=3.0, sharey=True)
    kinds = sorted({(one.setting["ids"], one.setting["threads"]) for one in found})
    markers = {"uniform": "o", "zipf": "^"}
    for axis, rows in zip(axes, sizes, strict=True):
        axis.axhline(1.0, color="black", linewidth=0.8)
        for i, (ids, threads) in enumerate(kinds):
            points = {
                one.setting["dim"]: one.ratio(REFERENCE)
                for one in found
                if (one.setting["rows"], one.setting["ids"], one.setting["threads"])
                == (rows, ids, threads)
            }
            x = [dims.index(dim) + 0.16 * (i - (len(kinds) - 1) / 2) for dim in points]
            middle = [ratio.median for ratio in points.values()]
            below = [ratio.median - ratio.low for ratio in points.values()]
            above = [ratio.high - ratio.median for ratio in points.values()]
            axis.errorbar(
                x, middle, yerr=[below, above], fmt=markers[ids], elinewidth=1, markersize=5,
                color=COLORS[SUBJECT] if threads == 1 else COLORS["PyTorch"],
                label=f"{ids}, {_threads(threads)}",
            )  # fmt: skip
        axis.set(xticks=range(len(dims)), xticklabels=dims, xlabel="dim", title=f"{rows:,} rows")
        axis.set_xlim(-0.5, len(dims) - 0.5)
        axis.grid(axis="y")
    axes[0].set_ylabel("times as fast")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle("Stochastic float16 against float32, lookup + update; bars are quartiles")
    return figure


def scaling(comparisons: Sequence[Comparison]) -> Figure | None:
    """Milliseconds of a step along rows, dims and batch."""
    found = [
        one
        for one in _suite(comparisons, "table")
        if len(one.seconds) > len(LOWPREC) and one.setting["ids"] == "uniform"
    ]
    middle = {"rows": 10**6, "dim": 64, "batch": 4096}
    threads = max((one.setting["threads"] for one in found), default=0)
    scans = {}
    for varied in middle:
        fixed = {name: value for name, value in middle.items() if name != varied}
        fixed["threads"] = threads
        scans[varied] = sorted(
            (one for one in found if fixed.items() <= one.setting.items()),
            key=lambda one: one.setting[varied],
        )
    if not all(len(scan) > 1 for scan in scans.values()):
        return None
    figure, axes = _panels(3, height=3.4, sharey=True)
    for axis, (varied, scan) in zip(axes, scans.items(), strict=True):
        for name in scan[0].seconds:
            points = [
                (one.setting[varied], _milliseconds(one, name))
                for one in scan
                if name in one.seconds
            ]
            ours = name in LOWPREC
            axis.plot(
                *zip(*points, strict=True), "-o" if ours else "--s", markersize=4,
                color=COLORS.get(name, _OTHER), label=name, linewidth=1.8 if ours else 1.2,
            )  # fmt: skip
        values = [one.setting[varied] for one in scan]
        axis.set(xscale="log", yscale="log", xlabel=varied)
        axis.set_xticks(values, [_short(value) for value in values], minor=False)
        axis.set_xticks([], minor=True)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.grid(axis="y", which="both")
    axes[0].set_ylabel("ms a step")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    figure.suptitle(f"Lookup + update, uniform ids, {_threads(threads)}; 1e6 x 64, batch 4096")
    return figure


def random_rows(comparisons: Sequence[Comparison]) -> Figure | None:
    """The update and the lookup beside what the memory allows."""
    found = [one for one in _suite(comparisons, "limits") if one.subject != "sequential read"]
    if not found:
        return None
    dims = sorted({one.setting["dim"] for one in found})
    figure, axes = _panels(len(dims), height=3.2, sharey=True)
    for axis, dim in zip(axes, dims, strict=True):
        bars = {}
        for one in sorted(found, key=lambda one: (one.subject, -one.setting["threads"])):
            if one.setting["dim"] == dim:
                ids = one.setting["batch"] * limits.FEATURES
                for name in list(one.seconds)[::-1]:
                    label = f"{name}, {_threads(one.setting['threads'])}"
                    bars[label] = ids / one.spread(name).median / 1e6
        colors = [
            COLORS[SUBJECT] if n.startswith(("update", "lookup")) else "#b9b9b9" for n in bars
        ]
        _bars(axis, list(bars), list(bars.values()), colors)
        axis.set(xlabel="million rows/s", title=f"dim {dim}: {2 * dim} bytes a row")
    figure.suptitle("Random rows of float16: lowprec and the machine's limit")
    return figure


def training(comparisons: Sequence[Comparison]) -> Figure | None:
    """Samples a second of the models."""
    found = [*_suite(comparisons, "dlrm"), *_suite(comparisons, "logistic")]
    threads = max((one.setting["threads"] for one in found), default=0)
    found = [one for one in found if one.setting["threads"] == threads]
    if not found:
        return None
    figure, axes = _panels(len(found), height=2.4)
    for axis, one in zip(axes, found, strict=True):
        names = list(one.seconds)[::-1]
        thousands = [one.amount / one.spread(name).median / 1e3 for name in names]
        _bars(axis, names, thousands)
        model = f"DLRM, dim {one.setting['dim']}" if one.suite == "dlrm" else "logistic regression"
        axis.set(xlabel="thousand samples/s", title=model)
    figure.suptitle(f"Training end to end, {_threads(threads)}")
    return figure


def random_generators(comparisons: Sequence[Comparison]) -> Figure | None:
    """Milliseconds of an update with each random generator."""
    found = _suite(comparisons, "generators")
    threads = max((one.setting["threads"] for one in found), default=0)
    found = [one for one in found if one.setting["threads"] == threads]
    if not found:
        return None
    figure, axes = _panels(len(found), height=2.4, sharey=True)
    for axis, one in zip(axes, found, strict=True):
        names = list(one.seconds)[::-1]
        colors = [COLORS[SUBJECT] if name == one.subject else "#b9b9b9" for name in names]
        _bars(axis, names, [_milliseconds(one, name) for name in names], colors)
        rows, dim = one.setting["rows"], one.setting["dim"]
        axis.set(xlabel="ms an update", title=f"{rows:,} x {dim}")
    figure.suptitle(f"The same float16 update with other generators, {_threads(threads)}")
    return figure


FIGURES: dict[str, Callable[[Sequence[Comparison]], Any]] = {
    "peers": peers,
    "formats": formats,
    "scaling": scaling,
    "generators": random_generators,
    "limits": random_rows,
    "training": training,
}


def _panels(count: int, height: float, *, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, count, figsize=(WIDTH, height), layout="constrained", sharey=sharey, squeeze=False
    )
    return figure, list(axes[0])


def _bars(
    axis: Axes, names: list[str], values: list[float], colors: list[str] | None = None
) -> None:
    colors = colors or [COLORS.get(name, _OTHER) for name in names]
    bars = axis.barh(names, values, color=colors)
    axis.bar_label(
        bars, [f"{v:.1f}" if v < 100 else f"{v:,.0f}" for v in values], padding=2, fontsize=8
    )
    axis.set_xlim(right=1.18 * max(values))
    axis.tick_params(axis="y", length=0)


def _suite(comparisons: Sequence[Comparison], name: str) -> list[Comparison]:
    return [one for one in comparisons if one.suite == name]


def _milliseconds(comparison: Comparison, name: str) -> float:
    return 1e3 * comparison.spread(name).median


def _short(number: int) -> str:
    return f"{number:.0e}".replace("e+0", "e") if number >= 10**5 else str(number)


def _threads(number: int) -> str:
    return f"{number} thread" + "s" * (number > 1)
