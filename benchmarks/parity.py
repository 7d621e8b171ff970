"""Float16 against float32 over paired seeds: same rows, order and seeds.

python -m benchmarks.parity --data train.tsv.gz --model logistic --seeds 5
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats

import lowprec as lp
from examples.criteo import VARIANTS, load, make_model, parse_arguments, probability


def score(arguments: list[str], seed: int) -> list[float]:
    """Log loss of each variant for one seed."""
    options = parse_arguments([*arguments, "--quiet", "--seed", str(seed)])
    data = load(options)
    losses = []
    for dtype, rounding in VARIANTS:
        model = make_model(options, data, dtype, rounding).fit(*data.train)
        losses.append(lp.metrics.log_loss(data.test[1], probability(model, data.test[0])))
    return losses


def report(name: str, differences: np.ndarray) -> None:
    """The mean difference and its 95 % interval (Student's t)."""
    error = stats.sem(differences)
    half = stats.t.ppf(0.975, len(differences) - 1) * error
    mean = differences.mean()
    print(f"{name} - float32: {mean:+.2e}, 95 % interval [{mean - half:+.2e}, {mean + half:+.2e}]")


def main() -> None:
    """Print every log loss and the paired differences; other options are the example's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    options, arguments = parser.parse_known_args()
    losses = []
    print("seed   float32   nearest   stochastic", flush=True)
    for seed in range(options.seeds):
        losses.append(score(arguments, seed))
        print(f"{seed:4d}  " + "  ".join(f"{loss:.5f}" for loss in losses[-1]), flush=True)
    table = np.array(losses)
    print("mean  " + "  ".join(f"{loss:.5f}" for loss in table.mean(axis=0)))
    print(f"float32 over its own seeds: standard deviation {table[:, 0].std(ddof=1):.2e}")
    report("nearest", table[:, 1] - table[:, 0])
    report("stochastic", table[:, 2] - table[:, 0])


if __name__ == "__main__":
    main()
