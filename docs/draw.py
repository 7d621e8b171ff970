"""Draws the pictures of these pages.

    python docs/draw.py [FOLDER [NAME ...]]

writes them to docs/figures, or to another folder, all or those that are named.

The same bits every time, for one version of matplotlib and of its fonts.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import ml_dtypes
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

import lowprec as lp

FLOAT32, NEAREST, STOCHASTIC = "#222222", "#c44e52", "#2b7bba"
INK, GREY, PALE = "#222222", "#767676", "#e9e9e9"
FEATURES = ["#cfe3f3", "#fbe3b8", "#d5ead0"]
NOTE = {"fontsize": 9, "color": "#555555", "va": "center"}
WIDTH = 7.6  # inches, the width of a page's text

STYLE = {
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "lowprec",
}

NAMES = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
}
COLOURS = [FLOAT32, STOCHASTIC, "#3f8f4f", "#d1742a", "#7d5ba6"]


def power_of_2(exponent):
    return f"$2^{{{exponent}}}$"


def canvas(height, right=100.0, top=None):
    """Axes without frame, `right` units wide and as high as they come out, y upwards."""
    figure, axes = plt.subplots(figsize=(WIDTH, height))
    axes.set_position((0, 0, 1, 1))
    axes.set_xlim(0, right)
    axes.set_ylim(0, right * height / WIDTH if top is None else top)
    axes.axis("off")
    return figure, axes


def arrow(axes, start, end, colour=INK, bend=0.0, width=1.3):
    style = f"arc3,rad={bend}"
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=11, linewidth=width, color=colour,
            connectionstyle=style, shrinkA=0, shrinkB=0,
        )
    )  # fmt: skip


def box(axes, x, y, width, height, text, bold, face="white", edge=INK):
    """A box with a line in bold and text below it."""
    axes.add_patch(
        FancyBboxPatch(
            (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.9",
            facecolor=face, edgecolor=edge, linewidth=1.1,
        )
    )  # fmt: skip
    middle = x + width / 2
    axes.text(middle, y + height - 1.2, bold, ha="center", va="top", weight="bold", fontsize=10.5)
    axes.text(
        middle,
        y + (height - 3.1) / 2,
        text,
        ha="center",
        va="center",
        linespacing=1.35,
        fontsize=9.2,
    )


def neighbours():
    """A number between two neighbours of float16, rounded both ways."""
    lower, upper = 1.0, 1.0 + 2.0**-10
    x = np.float32(lower + 0.3 * (upper - lower))
    chance = float(lp.round_up_probability(np.array([x]), "float16")[0])
    assert abs(chance - 0.3) < 1e-3
    figure, axes = canvas(2.75)
    left, right = 26.0, 94.0
    place = left + chance * (right - left)
    for y, name, colour in ((24.5, "nearest", NEAREST), (9.0, "stochastic", STOCHASTIC)):
        axes.text(2, y, name, color=colour, weight="bold", va="center", fontsize=11.5)
        axes.plot([left - 6, right + 4], [y, y], color=GREY, linewidth=1)
        for at in (left, right):
            axes.plot([at, at], [y - 1.3, y + 1.3], color=INK, linewidth=1.6)
        axes.plot(place, y, "o", color=INK, markersize=7)
        axes.text(place + 1, y - 2.0, "x", ha="center", va="top", style="italic", fontsize=11.5)
        axes.text(left, y - 2.0, "1", ha="center", va="top")
        axes.text(right, y - 2.0, "1 + 2$^{-10}$", ha="center", va="top")
    arrow(axes, (place, 26.0), (left + 0.4, 26.3), NEAREST, bend=0.35, width=2.4)
    axes.text((left + place) / 2, 31.3, "always", color=NEAREST, ha="center", va="center")
    axes.text(right + 4, 32.2, "mean 1: the error is the same every time", ha="right", color=GREY)
    arrow(axes, (place, 10.5), (left + 0.4, 10.8), STOCHASTIC, bend=0.35, width=3.2)
    arrow(axes, (place, 10.5), (right - 0.4, 10.8), STOCHASTIC, bend=-0.18, width=1.6)
    axes.text((left + place) / 2, 16.4, "7 times of 10", color=STOCHASTIC, ha="center", va="center")
    axes.text(
        (place + right) / 2, 17.6, "3 times of 10", color=STOCHASTIC, ha="center", va="center"
    )
    axes.text(
        right + 4, 2.2, "mean x: it is 3 tenths of the way, and goes up 3 times of 10",
        ha="right", color=GREY,
    )  # fmt: skip
    return figure


def spacing():
    """How far apart the numbers of each format are, and where each format ends."""
    figure, (ranges, axes) = plt.subplots(
        2, 1, figsize=(WIDTH, 5.9), height_ratios=(1, 2.1), layout="constrained"
    )
    for place, (name, colour) in enumerate(zip(NAMES, COLOURS, strict=True)):
        info = ml_dtypes.finfo(NAMES[name])
        smallest, normal, largest = (
            float(np.log2(float(value))) for value in (info.smallest_subnormal, info.tiny, info.max)
        )
        y = len(NAMES) - place
        ranges.barh(y, normal - smallest, left=smallest, height=0.55, color=colour, alpha=0.35)
        ranges.barh(y, largest - normal, left=normal, height=0.55, color=colour)
        # a step up at each power of 2; the subnormal numbers are as far apart as the first normal
        exponents = np.arange(round(normal), int(np.floor(largest)) + 1)
        at = np.concatenate([[smallest], np.repeat(exponents[1:], 2), [largest]])
        ulps = np.repeat(exponents - info.nmant, 2)
        axes.plot(at, ulps, color=colour, linewidth=1.7)
        axes.plot(normal, ulps[0], "o", color="white", markeredgecolor=colour, markersize=4.5)
        axes.plot(largest, ulps[-1], "s", color=colour, markersize=5.5)
    ranges.set_yticks(range(len(NAMES), 0, -1), NAMES)
    ranges.tick_params(axis="y", length=0)
    ranges.set_xlim(-155, 135)
    marks = (-149, -126, -24, 0, 16, 128)
    ranges.set_xticks(marks, [power_of_2(e) for e in marks])
    ranges.set_title("Magnitudes that a format holds (pale: subnormal)", loc="left", fontsize=10.5)
    axes.set_xlim(-26.5, 19)
    axes.set_ylim(-38, 16)
    axes.set_xticks(range(-24, 17, 8), [power_of_2(e) for e in range(-24, 17, 8)])
    axes.set_yticks(range(-32, 17, 8), [power_of_2(e) for e in range(-32, 17, 8)])
    axes.set_xlabel("magnitude")
    axes.set_title("Distance to the next number", loc="left", fontsize=10.5)
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    places = [(-10, -36.6), (-23.9, -23.3), (-26.2, -28.6), (-9.4, -9.4), (-16.4, -16.4)]
    sides = ["left", "left", "left", "right", "right"]
    for name, colour, place, side in zip(NAMES, COLOURS, places, sides, strict=True):
        axes.text(*place, name, color=colour, fontsize=9.5, ha=side, va="bottom")
    axes.plot(1.2, -25.0, "o", color="white", markeredgecolor=INK, markersize=4.5)
    axes.text(2, -25.0, "smallest normal number: below it\nthe distance stays as it is", **NOTE)
    axes.plot(1.2, -31.5, "s", color=INK, markersize=5.5)
    axes.text(2, -31.5, "largest finite number: what is\nbeyond it saturates", **NOTE)
    return figure


def cells(axes, x, y, labels, colours, size=4.6):
    """A row of cells; returns where the next one would begin."""
    for label, colour in zip(labels, colours, strict=True):
        axes.add_patch(
            Rectangle((x, y), size, size, facecolor=colour, edgecolor=INK, linewidth=0.9)
        )
        axes.text(x + size / 2, y + size / 2, label, ha="center", va="center", fontsize=11)
        x += size
    return x


def batches():
    """One id for each feature as a matrix, and bags of any size as a flat array with offsets."""
    figure, axes = canvas(4.5)
    size = 4.6
    quiet = {"fontsize": 9.5, "color": GREY}
    right = {"ha": "right", "va": "center", "fontsize": 9.5}
    axes.text(2, 55.4, "One id for each feature", weight="bold", fontsize=11)
    axes.text(2, 52.6, "indices (B, F)", **quiet)
    for feature in range(3):
        axes.text(13 + size * (feature + 0.5), 49.0, f"f{feature}", ha="center", **quiet)
    for sample, ids in enumerate(([7, 0, 5], [2, 3, 5])):
        y = 43.4 - sample * size
        axes.text(11.5, y + size / 2, f"sample {sample}", **right)
        cells(axes, 13, y, ids, FEATURES)
        for feature, colour in enumerate(FEATURES):
            cells(axes, 43 + feature * 15, y + 0.7, [""] * 4, [colour] * 4, size=3.2)
    arrow(axes, (30, 43.4), (40, 43.4))
    axes.text(34.6, 44.6, "lookup", ha="center", fontsize=9.5)
    axes.text(43, 49.0, "(B, F, D): a row of the table for each id", **quiet)

    axes.text(2, 30.6, "Bags of any size", weight="bold", fontsize=11)
    axes.text(2, 27.8, "indices (n,), offsets (B * F + 1,)", **quiet)
    x, y, offset = 13.0, 16.5, 0
    for name, below in (("indices", -size / 2), ("offsets", 3.6), ("bag", 8.2)):
        axes.text(11.5, y - below, name, **right)
    for bag, ids in enumerate([[7, 3], [0], [], [2], [3, 5, 5], [1]]):
        colour = FEATURES[bag % 3]
        nudge = {2: -0.9, 3: 0.9}.get(bag, 0.0)
        axes.plot([x, x], [y - 1.9, y - 0.5], color=INK, linewidth=0.9)
        axes.text(x + nudge, y - 3.6, offset, ha="center", va="center")
        end = cells(axes, x, y, ids, [colour] * len(ids))
        axes.text((x + end) / 2, y - 8.2, bag, ha="center", va="center")
        if not ids:
            axes.text(x, y + size + 2.6, "bag 2 is empty: its lookup is zeros", ha="left", **quiet)
            arrow(axes, (x, y + size + 2.2), (x, y + 0.3), colour=GREY, width=0.9)
        x, offset = end + 1.6, offset + len(ids)
    x -= 1.6
    axes.plot([x, x], [y - 1.9, y - 0.5], color=INK, linewidth=0.9)
    axes.text(x, y - 3.6, offset, ha="center", va="center")
    for start, stop, sample in ((13.0, 31.0, 0), (32.4, x, 1)):
        axes.plot([start, stop], [y - 10.6, y - 10.6], color=GREY, linewidth=1.2)
        middle = (start + stop) / 2
        axes.text(middle, y - 13.0, f"sample {sample}", ha="center", va="center", fontsize=9.5)
    for feature, colour in enumerate(FEATURES):
        cells(axes, 67, 17.6 - feature * 4.2, [""], [colour], size=2.6)
        axes.text(71, 18.9 - feature * 4.2, f"feature {feature}", va="center", fontsize=9.5)
    axes.text(67, 3.5, "bag k: sample k // F, feature k % F", va="center", fontsize=9.5)
    return figure


def step():
    """What a step does with a row of a table."""
    figure, axes = canvas(3.5)
    stored = {"face": "#dcebf7", "edge": STOCHASTIC}
    random = {"face": "#fdf0d9", "edge": "#c98a1b"}
    box(axes, 1.5, 14.5, 16, 17, "words of 2 bytes\n(rows, D)", "table", **stored)
    box(axes, 27, 31.5, 18, 11, "gather rows,\ndecode: exact", "lookup")
    box(axes, 53, 31.5, 18, 11, "float32 (B, F, D)", "embeddings")
    box(axes, 79.5, 14.5, 19, 17, "forward,\nloss, backward:\nfloat32", "model")
    box(axes, 59.5, 3.5, 15, 11, "of equal rows,\nin fixed order", "sum")
    box(axes, 40.5, 3.5, 15, 11, "row - rate * sum\nin float32, fused", "update")
    box(axes, 21.5, 3.5, 15, 11, "once, up or\ndown", "round", **stored)
    box(axes, 21.5, 19.0, 24, 8.2, "seed, step, row, column", "draw", **random)
    arrow(axes, (9.5, 31.5), (27, 37), bend=-0.28)
    arrow(axes, (45, 37), (53, 37))
    arrow(axes, (71, 37), (89, 31.5), bend=-0.28)
    arrow(axes, (89, 14.5), (74.5, 9), bend=-0.28)
    arrow(axes, (59.5, 9), (55.5, 9))
    arrow(axes, (40.5, 9), (36.5, 9))
    arrow(axes, (21.5, 9), (9.5, 14.5), bend=-0.28, colour=STOCHASTIC, width=2)
    axes.text(12.2, 7.6, "store", ha="center", fontsize=9.5, color=STOCHASTIC)
    arrow(axes, (29, 19.0), (29, 14.5), colour="#c98a1b")
    axes.text(84, 5.2, "gradient (B, F, D)", fontsize=9.2, color=GREY, ha="center")
    return figure


def stall():
    """256 steps of 2**-14 from 1, in float16."""
    steps, weights = 256, 1000
    size = np.float32(2.0**-14)
    nearest = stochastic = np.ones(weights, np.float16)
    walks, means, still = [stochastic[:12]], [1.0], [1.0]
    for seed in range(steps):
        nearest = lp.nearest_round(nearest.astype(np.float32) - size, "float16")
        stochastic = lp.stochastic_round(stochastic.astype(np.float32) - size, "float16", seed)
        walks.append(stochastic[:12])
        means.append(float(stochastic.mean(dtype=np.float64)))
        still.append(float(nearest.mean(dtype=np.float64)))
    figure, axes = plt.subplots(figsize=(WIDTH, 3.5), layout="constrained")
    at = np.arange(steps + 1)
    axes.plot(at, np.array(walks, np.float64), color=STOCHASTIC, linewidth=0.6, alpha=0.4)
    axes.plot(at, 1.0 - at * float(size), color=FLOAT32, linewidth=3.2)
    axes.plot(at, means, color=STOCHASTIC, linewidth=1.6, linestyle=(0, (4, 2)))
    axes.plot(at, still, color=NEAREST, linewidth=2.2)
    axes.text(258, 1.0, "nearest", color=NEAREST, va="center")
    axes.text(258, means[-1] + 0.0009, "float32", color=FLOAT32, va="center")
    axes.text(258, means[-1] - 0.0009, "stochastic,\nmean of 1000", color=STOCHASTIC, va="top")
    axes.text(60, 0.9885, "12 weights, stochastic", color=STOCHASTIC, fontsize=9)
    axes.set_xlim(0, 300)
    axes.set_ylim(0.9795, 1.0015)
    axes.set_xticks(range(0, 257, 64))
    axes.set_xlabel("steps of $2^{-14}$, an eighth of the distance between numbers here")
    axes.set_ylabel("weight")
    axes.spines["bottom"].set_bounds(0, 256)
    return figure


def decay():
    """8,000 steps of weight decay by 2**-13 of a weight, from 1.5, in float16."""
    steps, weights, every = 8000, 4096, 40
    rows, zero = np.arange(weights), np.zeros((weights, 1), np.float32)
    held = {}
    for rounding in ("nearest", "stochastic"):
        table = lp.EmbeddingTable(
            weights, 1, rounding=rounding, init=np.full((weights, 1), 1.5),
            optimizer=lp.SGD(2.0**-3, weight_decay=2.0**-10),
        )  # fmt: skip
        held[rounding] = [table.read(rows)]
        for number in range(1, steps + 1):
            table.update(rows, zero)
            if number % every == 0:
                held[rounding].append(table.read(rows))
    nearest, walks = (np.array(held[name])[..., 0] for name in ("nearest", "stochastic"))
    at = np.arange(0, steps + 1, every)
    figure, axes = plt.subplots(figsize=(WIDTH, 3.5), layout="constrained")
    low, high = np.quantile(walks, [0.025, 0.975], axis=1)
    axes.fill_between(at, low, high, color=STOCHASTIC, alpha=0.2, linewidth=0)
    axes.plot(at, 1.5 * (1 - 2.0**-13) ** at, color=FLOAT32, linewidth=3.2)
    means = walks.mean(axis=1, dtype=np.float64)
    axes.plot(at, means, color=STOCHASTIC, linewidth=1.6, linestyle=(0, (4, 2)))
    axes.plot(at, nearest.mean(axis=1), color=NEAREST, linewidth=2.2)
    axes.text(8100, 1.5, "nearest", color=NEAREST, va="center")
    axes.text(8100, means[-1] + 0.05, "float32", color=FLOAT32, va="center")
    axes.text(8100, means[-1] - 0.01, "stochastic,\nmean of 4096", color=STOCHASTIC, va="top")
    axes.text(1300, 0.85, "where 95 % of them are", color=STOCHASTIC, fontsize=9)
    axes.set_xlim(0, 9600)
    axes.set_ylim(0.4, 1.57)
    axes.set_xticks(range(0, 8001, 2000))
    axes.set_xlabel("steps of weight decay, each $2^{-13}$ of the weight")
    axes.set_ylabel("weight")
    axes.spines["bottom"].set_bounds(0, 8000)
    return figure


FIGURES = [neighbours, spacing, batches, step, stall, decay]


def main(folder, *names):
    """Write every figure, or those that are named, to a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        for draw in FIGURES:
            if names and draw.__name__ not in names:
                continue
            figure = draw()
            figure.savefig(folder / f"{draw.__name__}.svg", metadata={"Date": None})
            plt.close(figure)


if __name__ == "__main__":
    main(*(sys.argv[1:] or [Path(__file__).parent / "figures"]))
