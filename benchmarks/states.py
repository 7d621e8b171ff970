"""What becomes of an optimizer's states in bfloat16: rounded to nearest, and stochastically.

    python -m benchmarks.states

Adagrad's sum takes up 100,000 squares of 2**-20 in each of 1,000 weights.  Adam's average of
squares sees 20,000 gradients of normal numbers times 1e-3, and its average of gradients as many
that are all 1e-3.  All are set beside what float32 holds then.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

import lowprec as lp

COLUMNS, DIFFERENT = 1000, 64  # weights of the one row, and gradients that take turns
STATES: dict[str, dict[str, str]] = {
    "float32": {},
    "bfloat16, nearest": {"state_dtype": "bfloat16", "state_rounding": "nearest"},
    "bfloat16, stochastic": {"state_dtype": "bfloat16", "state_rounding": "stochastic"},
}


def after(optimizer: Any, gradients: Sequence[Any], updates: int, state: str) -> Any:
    """A state after so many updates, float64 (COLUMNS,)."""
    table = lp.EmbeddingTable(1, COLUMNS, "float32", optimizer=optimizer, seed=1)
    row = np.array([0])
    for number in range(updates):
        table.update(row, gradients[number % len(gradients)])
    return table.optimizer_state[state][0].astype(np.float64)


def compare(updates: int) -> dict[str, dict[str, tuple[float, float]]]:
    """Mean and deviation of the states over those of float32, by optimizer and format."""
    rng = np.random.default_rng(0)
    small = [np.full((1, COLUMNS), 2.0**-10, np.float32)]
    normal = [(rng.normal(size=(1, COLUMNS)) * 1e-3).astype(np.float32) for _ in range(DIFFERENT)]
    same = [np.full((1, COLUMNS), 1e-3, np.float32)]
    settings = {
        "Adagrad's sum": (lambda more: lp.Adagrad(0.0, eps=1.0, **more), small, updates, "sum"),
        "Adam's square": (lambda more: lp.Adam(0.0, **more), normal, updates // 5, "square"),
        "Adam's mean": (lambda more: lp.Adam(0.0, **more), same, updates // 5, "mean"),
    }
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name, (make, gradients, count, state) in settings.items():
        held = {of: after(make(more), gradients, count, state) for of, more in STATES.items()}
        ratios = {of: values / held["float32"] for of, values in held.items()}
        found[name] = {of: (float(r.mean()), float(r.std())) for of, r in ratios.items()}
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--updates", type=int, default=100_000)
    found = compare(parser.parse_args(arguments).updates)
    print("over float32: mean and deviation of 1,000 weights")
    for name, ratios in found.items():
        for of, (mean, deviation) in ratios.items():
            print(f"{name:<16}{of:<22}{mean:10.5f}{deviation:10.5f}")


if __name__ == "__main__":
    main()
