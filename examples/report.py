"""What the experiments share: their common options, intervals, figures and JSON files.

The other scripts of this folder import it, which is where Python looks when it runs one of them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np

import lowprec as lp

# A script's own folder is where Python looks first; the benchmarks are beside it.
sys.path.append(str(Path(__file__).parent.parent))


@dataclass(frozen=True)
class Variant:
    """A way to store tables, and how figures show it."""

    dtype: str
    rounding: str
    color: str
    line: str = "-"

    @property
    def name(self) -> str:
        """As tables of results have it."""
        return self.dtype if self.dtype == "float32" else f"{self.dtype} {self.rounding}"


FLOAT32 = Variant("float32", "nearest", "#222222")
NEAREST = Variant("float16", "nearest", "#c44e52")
STOCHASTIC = Variant("float16", "stochastic", "#2b7bba", "--")
VARIANTS = (FLOAT32, NEAREST, STOCHASTIC)
PEER_COLOR = "#8c8c8c"


def parser(description: str | None, name: str, *, seeds: bool = True) -> argparse.ArgumentParser:
    """A parser of the options that every experiment has; its files are named after it."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--full", action="store_true", help="the sizes that the documents report")
    if seeds:
        made.add_argument("--seeds", type=int, metavar="N", help="how many repetitions")
    made.add_argument("--json", metavar="OUT", default=f"{name}.json", help=f"default {name}.json")
    made.add_argument("--figure", metavar="OUT", default=f"{name}.png", help=f"default {name}.png")
    return made


def threads() -> int:
    """How many threads the kernels run on; peers get as many."""
    return numba.get_num_threads()


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % confidence interval by Student's t; NaN where there is none."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> Interval:
        """Of independent repetitions; one alone has no interval, which is NaN."""
        values = np.asarray(values, dtype=np.float64)
        if len(values) < 2:
            return cls(float(values.mean()), float("nan"), float("nan"))
        from scipy import stats  # 50 MB, which a process that only trains does without

        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        mean = values.mean()
        return cls(float(mean), float(mean - half), float(mean + half))

    def __format__(self, spec: str) -> str:
        if math.isnan(self.low):
            return f"{self.mean:{spec}} (one repetition)"
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def write_json(path: str, results: dict[str, Any]) -> None:
    """The results, with the command and the machine they are of."""
    about = {
        "command": " ".join(["python", *sys.argv]),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "lowprec": lp.__version__,
        "cores": os.cpu_count(),
        "threads": threads(),
    }
    text = json.dumps({**about, **results}, indent=2, default=_plain)
    Path(path).write_text(text + "\n")
    print(f"numbers: {path}")


def _plain(value: Any) -> Any:
    """JSON of what is none of JSON's own types."""
    if not isinstance(value, Interval):
        return np.asarray(value).tolist()
    return {name: None if math.isnan(number) else number for name, number in asdict(value).items()}


def figure(columns: int, height: float = 4.0, rows: int = 1) -> tuple[Any, Any]:
    """A matplotlib figure of a page's width, with axes side by side, in one row or more."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    made, axes = plt.subplots(rows, columns, figsize=(10, height), constrained_layout=True)
    for axis in np.atleast_1d(axes).flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    return made, axes


def legend_below(made: Any, *axes: Any) -> None:
    """A legend of what is drawn in the axes, below them all, so that it never covers anything."""
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    made.legend(
        found.values(), found.keys(), loc="outside lower center", ncols=min(4, len(found)),
        frameon=False, fontsize="small",
    )  # fmt: skip


def save_figure(made: Any, path: str) -> None:
    """Write a figure."""
    made.savefig(path, dpi=150)
    print(f"figure: {path}")
