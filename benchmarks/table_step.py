"""Lookup + update of tables: lowprec's formats against each other and against other libraries.

    python -m benchmarks.table_step --rows 1e6 --dim 64 --ids uniform --threads 2 --peers

measures one size; the suite of ``python -m benchmarks`` measures many.
"""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import child, machine, peers
from benchmarks.data import FEATURES, draw_ids
from benchmarks.report import tables
from benchmarks.results import (
    LOWPREC,
    REFERENCE,
    SUBJECT,
    WARMUP,
    Comparison,
    Job,
    Options,
    measure,
)
from benchmarks.timing import interleaved

Maker = Callable[[], peers.Table]

TITLE = "Tables: lookup + update"
IDS = ("uniform", "zipf")
LEARNING_RATE = 0.01
BATCHES = 16  # that rotate, so that the rows of none stay in cache
_MEMORY_SHARE = 0.85  # of what is available, that tables may take
_LARGE = 1 << 29  # bytes of a float32 table
_PASSES = 3  # through all contestants, where they are not there at once
# How far a weight may be off after a step: rounding to nearest at each of a few equal ids.
_TOLERANCE = {4: {"rtol": 1e-5, "atol": 1e-6}, 2: {"rtol": 2**-9, "atol": 2**-12}}


@dataclass(frozen=True)
class Size:
    """Tables to compare with each kind of ids; `rows` of all features together."""

    rows: int
    dim: int
    threads: int
    batch: int = 4096
    ids: tuple[str, ...] = IDS


def compare(size: dict[str, Any], with_peers: bool, rounds: int, seed: int) -> list[dict[str, Any]]:
    """The comparisons of one `Size`, in this process and with the threads that it has.

    All tables are there at once, or one after the other if they are `_LARGE`: of many large tables
    the last ones may get slower memory, in smaller pages.
    """
    from benchmarks.lowprec_table import Lowprec  # see child.Child

    rows_of_feature, dim = size["rows"] // FEATURES, size["dim"]
    shape = (size["batch"], FEATURES)
    rng = np.random.default_rng(seed)
    grad = rng.normal(size=(*shape, dim)).astype(np.float32)
    batches = {
        ids: [draw_ids(rng, rows_of_feature, shape, ids) for _ in range(BATCHES)]
        for ids in size["ids"]
    }
    makers: dict[str, Maker] = {
        name: partial(Lowprec, rows_of_feature, FEATURES, dim, dtype, rounding, LEARNING_RATE)
        for name, (dtype, rounding) in LOWPREC.items()
    }
    left_out: list[str] = []
    if with_peers:
        found, left_out = peer_makers(makers[REFERENCE]().weight())
        makers |= found
    contestants = {name: make() for name, make in makers.items()}
    for contestant in contestants.values():
        contestant.load(batches[size["ids"][0]], grad)
    check(contestants, batches[size["ids"][0]][0])
    if size["rows"] * dim * 4 >= _LARGE:
        contestants.clear()
        return _one_at_a_time(size, makers, batches, grad, rounds, left_out, seed)
    steps = {name: partial(_step, contestant) for name, contestant in contestants.items()}
    results = []
    for ids in size["ids"]:
        for contestant in contestants.values():
            contestant.load(batches[ids], grad)
        notes = left_out + [one.note for one in contestants.values() if one.note]
        setting = {**size, "ids": ids}
        results.append(measure("table", setting, SUBJECT, steps, rounds, seed=seed, notes=notes))
    return [asdict(result) for result in results]


def _one_at_a_time(
    size: dict[str, Any], makers: dict[str, Maker], batches: dict[str, Any],
    grad: NDArray[np.float32], rounds: int, notes: list[str], seed: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """In `_PASSES`, each contestant is made, takes its share of the rounds, and is freed."""
    before, rng = machine.activity(()), np.random.default_rng(seed)
    seconds: dict[str, Any] = {ids: {name: [] for name in makers} for ids in batches}
    names, notes = list(makers), [*notes, "one table at a time"]
    for _ in range(_PASSES):
        for position in rng.permutation(len(names)):
            name = names[position]
            table = makers[name]()
            step = {name: partial(_step, table)}
            for ids, some in batches.items():
                table.load(some, grad)
                interleaved(step, WARMUP)
                seconds[ids][name] += interleaved(step, -(-rounds // _PASSES), seed)[name]
            notes += [table.note] if table.note and table.note not in notes else []
            del table, step
            gc.collect()
    after, environment = machine.activity(()), {"all": machine.settings(os.environ)}
    return [
        asdict(Comparison(
            "table", {**size, "ids": ids}, SUBJECT, found, before=before, after=after,
            environment=environment, notes=notes,
        ))
        for ids, found in seconds.items()
    ]  # fmt: skip


def _step(contestant: peers.Table, number: int) -> None:
    contestant.step(number % BATCHES)


def peer_makers(weight: NDArray[np.float32]) -> tuple[dict[str, Maker], list[str]]:
    """What makes the tables of other libraries with these weights, and who is missing and why.

    All must have room at once, as they are checked against each other.
    """
    found: dict[str, Maker] = {}
    left_out = []
    limit = machine.available_memory() * _MEMORY_SHARE - 2 * weight.nbytes  # lowprec's tables
    for name, entry in peers.TABLES.items():
        make, problem = peers.find(name)
        nbytes = weight.size * entry.itemsize
        if make and nbytes <= limit:
            found[name] = partial(make, weight, FEATURES, LEARNING_RATE)
            limit -= nbytes
        else:
            left_out.append(f"{name} is left out: {problem or 'not enough memory'}")
    return found, left_out


def check(contestants: dict[str, peers.Table], indices: NDArray[Any]) -> None:
    """Take a step with every contestant: all must read and change the same rows by the same.

    Raises
    ------
    AssertionError
        If a contestant does something else than lowprec's float32 table.
    """
    reference = contestants[REFERENCE]
    rows_of_feature = len(reference.weight()) // FEATURES
    rows = indices + np.arange(indices.shape[1]) * rows_of_feature
    unique = np.unique(rows)
    before = {name: _rows(table, unique) for name, table in contestants.items()}
    for name, table in contestants.items():
        expected = table.weight()[rows].astype(np.float32)
        np.testing.assert_array_equal(table.lookup(0), expected, f"lookup of {name}")
        table.step(0)
    change = _rows(reference, unique) - before[REFERENCE]
    for name, table in contestants.items():
        expected = before[name] + (adagrad(change) if "Adagrad" in name else change)
        tolerance = _TOLERANCE[table.weight().itemsize]
        np.testing.assert_allclose(_rows(table, unique), expected, **tolerance, err_msg=name)


def _rows(table: peers.Table, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    return table.weight()[rows].astype(np.float32)


def adagrad(sgd_change: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first step of row-wise Adagrad where SGD would make the change `sgd_change`."""
    grad = sgd_change / -LEARNING_RATE
    return -LEARNING_RATE * grad / np.sqrt(np.mean(grad**2, axis=1, keepdims=True))


# --- the suite ---


def sizes(options: Options) -> tuple[list[Size], list[Size]]:
    """Those to compare with other libraries, along one axis at a time, and those for lowprec."""
    all_threads = options.threads[-1]
    if options.quick:
        small = Size(20_000, 16, all_threads, batch=512)
        return [small], [replace(small, threads=threads) for threads in options.threads[:-1]]
    middle = Size(1_000_000, 64, all_threads)
    with_peers = [
        *(Size(10_000_000, dim, threads) for dim in (64, 16) for threads in options.threads),
        replace(middle, rows=100_000),
        *(replace(middle, dim=dim) for dim in (16, 64, 128)),
        *(replace(middle, batch=batch) for batch in (512, 2048, 8192)),
    ]
    alone = [
        Size(rows, dim, threads)
        for rows in (100_000, 1_000_000, 10_000_000)
        for dim in (16, 64, 128)
        for threads in options.threads
    ]
    return with_peers, [size for size in alone if size not in with_peers]


def run(size: Size, with_peers: bool, rounds: int, seed: int) -> list[Comparison]:
    """`compare` in a process of its own."""
    arguments = {"size": asdict(size), "with_peers": with_peers, "rounds": rounds, "seed": seed}
    environment = child.environment(size.threads, with_peers=with_peers)
    found = child.call("benchmarks.table_step:compare", arguments, environment)
    return [Comparison(**one) for one in found]


def jobs(options: Options) -> list[Job]:
    """The suite."""
    with_peers, alone = sizes(options)
    few, many = (3, 3) if options.quick else (21, 41)
    return [
        *(partial(run, size, True, few, options.seed) for size in with_peers),
        *(partial(run, size, False, many, options.seed) for size in alone),
    ]


def main() -> None:
    """Print the comparisons of one size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e6, help="of all features together")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--ids", nargs="+", choices=IDS, default=IDS)
    parser.add_argument("--peers", action="store_true", help="time other libraries too")
    parser.add_argument("--rounds", type=int, default=31)
    options = parser.parse_args()
    size = Size(int(options.rows), options.dim, options.threads, options.batch, tuple(options.ids))
    print(tables(run(size, options.peers, options.rounds, seed=0)))


if __name__ == "__main__":
    main()
