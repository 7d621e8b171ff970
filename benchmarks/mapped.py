"""A table in a file that is far larger than memory: what touched rows cost, and cold reads.

    python -m benchmarks.mapped --folder /data

Makes a sparse file of 200 GB (float16, 64 columns), deleted afterwards, and updates a million
random rows of it.  Then random rows that were touched are read from the disk, with the file's pages
dropped from the system's cache before each time: by `pread` of the same pages in the same order,
with one thread and with as many as kernels use, by `lookup`, and by `lookup` after `prefetch`.  The
bits that say which rows were touched are read before.  Ways take turns.  Needs Linux.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import lowprec as lp
from benchmarks import machine
from lowprec.mapping.layout import PAGE

COLUMNS, BATCH = 64, 100_000


def table_in(path: Path, rows: int) -> lp.EmbeddingTable:
    """The table of a file."""
    return lp.EmbeddingTable(rows, COLUMNS, optimizer=lp.SGD(0.1), seed=1, path=path)


def touch(path: Path, rows: int, touched: int) -> Iterator[str]:
    """Update so many rows; a line for what was measured."""
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=(BATCH, COLUMNS)).astype(np.float32)
    with lp.EmbeddingTable(10, COLUMNS) as small:  # compiles
        small.update(np.arange(10), gradient[:10])
    start = time.perf_counter()
    table = table_in(path, rows)
    yield f"made {rows:,} rows, {table.nbytes / 1e9:,.0f} GB: {_ms(start)}"
    with table:
        for name in ("new rows", "the same rows again, in memory"):
            rng, times = np.random.default_rng(1), []
            for _ in range(0, touched, BATCH):
                ids = rng.integers(0, rows, BATCH)
                start = time.perf_counter()
                table.update(ids, gradient)
                times.append(time.perf_counter() - start)
            median = 1e3 * float(np.median(times))
            yield f"an update of {BATCH:,} {name}: {median:,.0f} ms"
        start = time.perf_counter()
        table.flush()
        yield f"flush: {_ms(start)}, {table.stored_bytes / 1e6:,.0f} MB on disk"
    yield f"peak memory, with pages of the file: {machine.peak_memory() / 1e6:,.0f} MB"


def compare(path: Path) -> str:
    """What an update of rows that are in memory takes, in a file and without one."""
    rng, rows = np.random.default_rng(0), 10**6
    gradient = rng.normal(size=(BATCH, COLUMNS)).astype(np.float32)
    ids = rng.integers(0, rows, BATCH)
    with table_in(path, rows) as in_file:
        in_memory = in_file.to("cpu")
        times: dict[Any, list[float]] = {in_file: [], in_memory: []}
        for _ in range(10):
            for table, found in times.items():
                start = time.process_time()
                table.update(ids, gradient)
                found.append(time.process_time() - start)
    first, second = (1e3 * float(np.median(found[1:])) for found in times.values())
    return (
        f"an update of {BATCH:,} rows in memory: {first:.0f} CPU-ms in a file, {second:.0f} without"
    )


def drop(path: Path) -> None:
    """Have no page of a file in the system's cache."""
    handle = os.open(path, os.O_RDWR)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def by_pread(path: Path, places: Any, threads: int) -> float:
    """Seconds to read these pages."""
    handle = os.open(path, os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)

    def read(part: Any) -> None:
        for place in part.tolist():
            os.pread(handle, PAGE, place)

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, np.array_split(places, threads)))
    seconds = time.perf_counter() - start
    os.close(handle)
    return seconds


def by_lookup(path: Path, rows: int, ids: Any, *, prefetch: bool) -> float:
    """Seconds to look rows up; after they were asked for, with the time that this takes."""
    with table_in(path, rows) as table:
        table.lookup(ids[:0])
        _read_bits(path, rows)
        start = time.perf_counter()
        if prefetch:
            table.prefetch(ids)
            table.prefetch(ids[:0])  # waits for the thread
        table.lookup(ids)
        return time.perf_counter() - start


def _read_bits(path: Path, rows: int) -> None:
    """Have the bits of rows in the cache: they lie at the beginning."""
    with open(path, "rb") as file:
        file.read(rows // 8 + (1 << 17))


def cold(path: Path, rows: int, reads: int, rounds: int) -> Iterator[str]:
    """Times of each way, which take turns, and their ratio to `pread`."""
    touched = np.random.default_rng(1).integers(0, rows, BATCH)  # by the first update
    threads = lp.get_num_threads()
    with table_in(path, rows) as table:
        # where a table's weights begin: docs/tables-in-files.md
        begin = path.stat().st_size - -(-table.nbytes // (1 << 16)) * (1 << 16)
    ways: dict[str, Callable[[Any], float]] = {
        "pread, 1 thread": lambda ids: by_pread(path, _pages(begin, ids), 1),
        f"pread, {threads} threads": lambda ids: by_pread(path, _pages(begin, ids), threads),
        f"lookup, {threads} threads": lambda ids: by_lookup(path, rows, ids, prefetch=False),
        "prefetch and lookup": lambda ids: by_lookup(path, rows, ids, prefetch=True),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    rng = np.random.default_rng(2)
    for _ in range(rounds):
        ids = rng.choice(touched, reads, replace=False)
        for name, way in ways.items():
            drop(path)
            times[name].append(way(ids))
    own = float(np.median(times[f"pread, {threads} threads"]))
    for name, found in times.items():
        median = float(np.median(found))
        yield (
            f"{reads:,} cold rows, {name:22}{1e3 * median:9,.0f} ms "
            f"({1e3 * min(found):,.0f} to {1e3 * max(found):,.0f}), {median / own:.2f} of pread's"
        )


def _pages(begin: int, ids: Any) -> Any:
    return (begin + ids * (2 * COLUMNS)) // PAGE * PAGE


def _ms(start: float) -> str:
    return f"{1e3 * (time.perf_counter() - start):,.0f} ms"


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each thing that is measured."""
    number = lambda text: int(float(text))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bytes", type=number, default=200 * 10**9, help="of the weights")
    parser.add_argument("--touched", type=number, default=10**6)
    parser.add_argument("--reads", type=number, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", help="where to make the file; take a disk that nothing else uses"
    )
    given = parser.parse_args(arguments)
    rows = given.bytes // (2 * COLUMNS)
    print(f"{machine.cores()} processors", flush=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as home:
        print(compare(Path(home) / "small.table"), flush=True)
        path = Path(home) / "big.table"
        for lines in (
            touch(path, rows, given.touched),
            cold(path, rows, given.reads, given.rounds),
        ):
            for line in lines:
                print(line, flush=True)


if __name__ == "__main__":
    main()
