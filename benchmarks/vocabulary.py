"""What a vocabulary costs beside the table, and what it gains over hashing.

    python -m benchmarks.vocabulary cost
    python -m benchmarks.vocabulary quality

**cost**: CPU time of `find` and `admit` of 26 x 4096 keys, and of `lookup` and `update` of their
rows in a float16 table under SGD, by turns in one process.  All keys are known, or some are new: as
many as in the days of **quality**, where a twentieth of a day's keys is new and comes eight times,
or a twentieth of each batch.  At the end the vocabulary is full.

**quality**: clicks of days.  Each day a twentieth of the keys of each feature is replaced by new
ones.  A logistic regression learns them as they come, from rows that hashing gives its keys, and
from those of vocabularies, in tables of as many rows.  Each batch is predicted before it is
learned; the log loss is that of the last three quarters of the days, for the best rate of each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lowprec as lp
from benchmarks.report import markdown_row, markdown_table
from benchmarks.timing import spread

IDS = 26 * 4096
NEW = 20  # one key of so many
FEATURES = 8
BATCH = 512
_ODD = np.uint64(0x9E3779B97F4A7C15)


def scattered(numbers: NDArray[Any]) -> NDArray[np.uint64]:
    """Different 64-bit keys for different numbers."""
    keys = numbers.astype(np.uint64) * _ODD
    return keys ^ (keys >> np.uint64(32))


# --- cost ---


class Times:
    """CPU milliseconds, of all threads, of calls by their names."""

    def __init__(self) -> None:
        self._found: dict[str, list[float]] = {}

    def of(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """What a call gives, which is timed."""
        start = time.process_time()
        result = call(*arguments)
        self._found.setdefault(name, []).append(1e3 * (time.process_time() - start))
        return result

    def medians(self) -> dict[str, float]:
        """Without the first two rounds, which compile."""
        return {name: spread(times[2:]).median for name, times in self._found.items()}


def filled(rows: int, keys: int, ttl: int | None = None) -> lp.Vocabulary:
    """A vocabulary of this number of rows that holds the first keys."""
    vocabulary = lp.Vocabulary(rows, ttl=ttl)
    for start in range(0, keys, 1 << 20):
        vocabulary.admit(scattered(np.arange(start, min(keys, start + (1 << 20)))))
    return vocabulary


WITH_TTL = "uniform, with a `ttl`"
SHARES = {"Zipf, 1 key in 160 new": 160, "uniform, 1 key in 20 new": NEW}
KINDS = ["uniform", "Zipf", WITH_TTL, *SHARES]


def costs(rows: int, dim: int, rounds: int, kind: str) -> dict[str, float]:
    """Median CPU milliseconds a batch of each call."""
    rng, times = np.random.default_rng(0), Times()
    fresh = IDS // SHARES[kind] if kind in SHARES else 0
    known = rows - 1 - fresh * (rounds + 2)
    vocabulary = filled(rows, known, ttl=rounds + 2 if kind == WITH_TTL else None)
    table = lp.EmbeddingTable(rows, dim, optimizer=lp.SGD(0.1))
    grad = rng.normal(size=(IDS, dim)).astype(np.float32)
    for step in range(rounds + 2):
        ids = rng.integers(0, known, IDS)
        if kind.startswith("Zipf"):
            ids = np.minimum(known ** rng.random(IDS), known - 1).astype(np.int64)
        ids[rng.permutation(IDS)[:fresh]] = known + np.arange(fresh) + step * fresh
        keys = scattered(ids)
        times.of("find", vocabulary.find, keys)
        found, *new = times.of("admit", vocabulary.admit, keys, step)
        if fresh:
            times.of("reset", table.reset, *new)
        times.of("lookup", table.lookup, found)
        times.of("update", table.update, found, grad)
    return times.medians()


def print_costs(options: argparse.Namespace) -> None:
    print(f"CPU ms a batch of {IDS} ids, {lp.get_num_threads()} threads\n")
    calls = ["find", "admit", "lookup", "update"]
    share_of = "`find` + `admit` over `lookup` + `update`"
    header = ["rows x columns", "keys", *(f"`{call}`" for call in calls), share_of]
    print(markdown_table(header, []), end="")
    resets = []
    for rows in options.rows:
        for dim in options.dims:
            for kind in KINDS:
                times = costs(rows, dim, options.rounds, kind)
                share = (times["find"] + times["admit"]) / (times["lookup"] + times["update"])
                size = f"{rows:.0e}".replace("e+0", "e")
                told = [f"{times[call]:.2f}" for call in calls]
                row = [f"{size} x {dim}", kind, *told, f"{share:.2f}"]
                print(markdown_row(row), flush=True)
                resets += [times["reset"]] if "reset" in times else []
    print(f"\nreset: {min(resets):.2f} to {max(resets):.2f}")


# --- quality ---


def days_of(options: argparse.Namespace, seed: int) -> Iterator[tuple[Any, Any, Any]]:
    """Keys (samples, FEATURES), labels and true chances of each day."""
    rng = np.random.default_rng(seed)
    shape = (FEATURES, options.keys)
    numbers = np.arange(FEATURES * options.keys).reshape(shape)
    weights = rng.normal(size=shape) * options.spread
    used = numbers.size
    chances = np.arange(1, options.keys + 1) ** -1.05
    limits = np.cumsum(chances / chances.sum())
    for _ in range(options.days):
        places = np.searchsorted(limits, rng.random((options.samples, FEATURES)))
        places = np.minimum(places, options.keys - 1)
        each = np.arange(FEATURES)
        logit = weights[each, places].sum(axis=1) - 1.0
        p = 1 / (1 + np.exp(-logit))
        y = (rng.random(options.samples) < p).astype(np.float64)
        yield scattered(numbers[each, places]), y, p
        for (
            feature
        ) in each:  # a twentieth of the keys, frequent and rare ones, give way to new ones
            gone = rng.permutation(options.keys)[: options.keys // NEW]
            numbers[feature, gone] = np.arange(used, used + gone.size)
            weights[feature, gone] = rng.normal(size=gone.size) * options.spread
            used += gone.size


def hashed(keys: NDArray[np.uint64], rows: int) -> NDArray[np.int64]:
    """A row for each key, whatever other keys have it."""
    return ((keys * _ODD >> np.uint64(32)) * np.uint64(rows) >> np.uint64(32)).astype(np.int64)


def log_loss_of(
    options: argparse.Namespace, seed: int, rate: float, vocabulary: lp.Vocabulary | None
) -> float:
    """The log loss of a logistic regression by rows that hashing or a vocabulary gives."""
    table = lp.EmbeddingTable(
        options.table_rows, 1, optimizer=lp.Adagrad(rate), init_range=0.0, seed=seed
    )
    offsets = np.arange(0, BATCH * FEATURES + 1, FEATURES)
    bias, sum_of_squares, losses = -1.0, 1e-8, []
    for day, (keys, y, _) in enumerate(days_of(options, seed)):
        predicted = np.empty(options.samples)
        for start in range(0, options.samples, BATCH):
            some, labels = keys[start : start + BATCH].reshape(-1), y[start : start + BATCH]
            if vocabulary is None:
                rows: Any = hashed(some, options.table_rows)
            else:
                rows, new_rows, new_keys = vocabulary.admit(some, day)
                table.reset(new_rows, new_keys)
            batch = table.batch(rows, offsets[: len(labels) + 1])
            p = 1 / (1 + np.exp(-table.lookup(batch)[:, 0] - bias))
            predicted[start : start + BATCH] = p
            difference = p - labels
            table.update(batch, difference[:, None])
            sum_of_squares += difference.mean() ** 2
            bias -= 0.1 * difference.mean() / np.sqrt(sum_of_squares)
        if vocabulary is not None:
            vocabulary.expire(day)
        if 4 * day >= options.days:
            losses.append(lp.metrics.log_loss(y, predicted))
    return float(np.mean(losses))


def print_quality(options: argparse.Namespace) -> None:
    known = FEATURES * options.keys
    print(
        f"{options.days} days of {options.samples:,} samples; {known:,} keys a day, of which "
        f"{known // NEW:,} are new; tables of {options.table_rows:,} rows, {options.seeds} seeds\n"
    )
    make: dict[str, Callable[[int], lp.Vocabulary | None]] = {
        "hashing": lambda seed: None,
        "vocabulary": lambda seed: lp.Vocabulary(options.table_rows, 1, options.ttl, seed),
        "vocabulary, `min_count=2`": lambda seed: lp.Vocabulary(
            options.table_rows, 2, options.ttl, seed
        ),
    }
    header = ["rows by", "log loss", "less than hashing", "least of the seeds"]
    print(markdown_table(header, []), end="")
    best, rates = {}, []
    for name, vocabulary_of in make.items():
        by_rate = {
            rate: [
                log_loss_of(options, seed, rate, vocabulary_of(seed))
                for seed in range(options.seeds)
            ]
            for rate in options.rates
        }
        rate = min(by_rate, key=lambda rate: float(np.mean(by_rate[rate])))
        best[name] = np.array(by_rate[rate])
        less = best["hashing"] - best[name]
        row = [name, f"{best[name].mean():.5f}"]
        row += [f"{less.mean():.5f}", f"{less.min():.5f}"] if less.any() else ["", ""]
        rates.append(rate)
        print(markdown_row(row), flush=True)
    truth = [
        lp.metrics.log_loss(y, p)
        for seed in range(options.seeds)
        for day, (_, y, p) in enumerate(days_of(options, seed))
        if 4 * day >= options.days
    ]
    print(markdown_row(["the true chances", f"{np.mean(truth):.5f}", "", ""]))
    print(f"\nrates: {rates}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(required=True)
    cost = parts.add_parser("cost")
    cost.set_defaults(run=print_costs)
    cost.add_argument("--rows", type=lambda n: int(float(n)), nargs="+", default=[10**6, 10**7])
    cost.add_argument("--dims", type=int, nargs="+", default=[16, 64])
    cost.add_argument("--rounds", type=int, default=20)
    quality = parts.add_parser("quality")
    quality.set_defaults(run=print_quality)
    quality.add_argument("--days", type=int, default=20)
    quality.add_argument("--samples", type=int, default=20_000, help="a day")
    quality.add_argument("--keys", type=int, default=2500, help="of each of the 8 features, a day")
    quality.add_argument("--table-rows", type=int, default=25_000)
    quality.add_argument("--ttl", type=int, default=3, help="days")
    quality.add_argument("--spread", type=float, default=0.5, help="of the weights of keys")
    quality.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.2, 0.3, 0.5])
    quality.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(arguments)
    options.run(options)


if __name__ == "__main__":
    main()
