"""A matrix factorisation in a NumPy loop: three tables, in four formats side by side.

A rating is the dot product of a user and an item, plus a bias of the item, plus noise.  The loop
looks up the embeddings of a batch, computes the error and its gradients in NumPy, and updates the
tables.  The learning rate falls to zero.  float16 follows float32 in half the memory.  In 8 bits,
rounding to nearest loses most of the small steps; stochastic rounding keeps them on average, and
adds noise.  With larger steps the noise costs more than nearest loses: try --learning-rate 0.1.

examples:
  python examples/own_loop.py
  python examples/own_loop.py --full
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import report

import lowprec as lp

USERS, ITEMS, DIM = 2000, 500, 8
BATCH, EPOCHS, NOISE = 256, 15, 0.3
RATINGS, RATINGS_IN_FULL = 100_000, 1_000_000

VARIANTS = (
    report.FLOAT32,
    report.STOCHASTIC,
    report.Variant("float8_e4m3fn", "nearest", "#c44e52"),
    report.Variant("float8_e4m3fn", "stochastic", "#3f8f4f", "--"),
)


class Ratings(NamedTuple):
    """Who rated what, and how."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray

    def at(self, rows: Any) -> Ratings:
        """Some of them."""
        return Ratings(*(each[rows] for each in self))


def plant(n: int, rng: np.random.Generator) -> Ratings:
    """Ratings of random users and items."""
    users, items = rng.normal(size=(USERS, DIM)) / DIM**0.5, rng.normal(size=(ITEMS, DIM))
    bias = rng.normal(size=ITEMS)
    user, item = rng.integers(USERS, size=n), rng.integers(ITEMS, size=n)
    means = np.sum(users[user] * items[item], axis=1) + bias[item]
    return Ratings(user, item, (means + NOISE * rng.normal(size=n)).astype(np.float32))


class Factors:
    """A table for each kind of parameter."""

    def __init__(self, variant: report.Variant, learning_rate: float, steps: int) -> None:
        stored: dict[str, Any] = {"dtype": variant.dtype, "rounding": variant.rounding}
        optimizer = lp.SGD(lp.schedules.WarmupLinearDecay(learning_rate, 0, steps))
        self.users = lp.EmbeddingTable(
            USERS, DIM, **stored, optimizer=optimizer, seed=1, init_range=0.5
        )
        self.items = lp.EmbeddingTable(
            ITEMS, DIM, **stored, optimizer=optimizer, seed=2, init_range=0.5
        )
        self.bias = lp.EmbeddingTable(
            ITEMS, 1, **stored, optimizer=optimizer, seed=3, init_range=0.0
        )

    def error(self, ratings: Ratings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the predictions, (n, 1), and the embeddings that they were made of."""
        u, v = self.users.lookup(ratings.users), self.items.lookup(ratings.items)
        predicted = np.sum(u * v, axis=1, keepdims=True) + self.bias.lookup(ratings.items)
        return predicted - ratings.values[:, None], u, v

    def step(self, ratings: Ratings) -> None:
        """One step on the sum of half the squared errors of a batch."""
        error, u, v = self.error(ratings)
        self.users.update(ratings.users, error * v)
        self.items.update(ratings.items, error * u)
        self.bias.update(ratings.items, error)


def train(
    factors: Factors, ratings: Ratings, test: Ratings, rng: np.random.Generator
) -> Iterator[float]:
    """The root mean square error of the test ratings after each epoch."""
    for _ in range(EPOCHS):
        order = rng.permutation(len(ratings.values))
        for start in range(0, len(order), BATCH):
            factors.step(ratings.at(order[start : start + BATCH]))
        yield float(np.sqrt(np.mean(factors.error(test)[0] ** 2)))


def save_figure(losses: dict[str, list[float]], path: str) -> None:
    """The error after each epoch."""
    made, axis = report.figure(1)
    for variant in VARIANTS:
        found = losses[variant.name]
        axis.plot(
            range(1, len(found) + 1), found, variant.line, color=variant.color, label=variant.name
        )
    axis.axhline(NOISE, color=report.PEER_COLOR, linestyle=":", label="noise of the ratings")
    axis.set(xlabel="epoch", ylabel="root mean square error of new ratings", yscale="log")
    report.legend_below(made, axis)
    report.save_figure(made, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = report.parser(__doc__, "own_loop", seeds=False)
    parser.add_argument("--ratings", type=int, help="to train on; a tenth as many are scored")
    parser.add_argument("--learning-rate", type=float, default=0.05)
    options = parser.parse_args(arguments)
    if options.ratings is None:
        options.ratings = RATINGS_IN_FULL if options.full else RATINGS
    return options


def main(arguments: list[str] | None = None) -> None:
    """Train each variant on the same ratings in the same order."""
    options = parse_arguments(arguments)
    ratings = plant(options.ratings * 11 // 10, np.random.default_rng(0))
    train_set, test = ratings.at(slice(options.ratings)), ratings.at(slice(options.ratings, None))
    losses, steps = {}, -(-options.ratings // BATCH) * EPOCHS
    for variant in VARIANTS:
        factors = Factors(variant, options.learning_rate, steps)
        losses[variant.name] = list(train(factors, train_set, test, np.random.default_rng(1)))
        print(f"{variant.name:26s} {losses[variant.name][-1]:.4f}", flush=True)
    save_figure(losses, options.figure)
    report.write_json(options.json, {"root_mean_square_errors": losses})


if __name__ == "__main__":
    main()
