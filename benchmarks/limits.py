"""The machine's own limits, measured beside the kernels that are to reach them.

Rows are as long as those of a float16 table.  An update that refuses bad gradients has to read the
float32 gradient before it writes anything; then to read and write each of its rows in ascending
order, and to read the gradient of each.  A lookup has to read rows and to write float32 embeddings.
The kernels here do that and nothing else, with the same ids, on memory allocated in the same way.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from benchmarks import child
from benchmarks.data import FEATURES, draw_ids
from benchmarks.results import Comparison, Job, Options, measure

TITLE = "The machine's limits"
BATCH, BATCHES = 4096, 16
FAR, NEAR = 24, 6  # rows ahead: from memory to the second level, from there to the first
SEQUENTIAL_BYTES = 1 << 29
_LINE_WORDS = 8  # 64-bit words of a cache line
_SERIAL = {"cache": True, "error_model": "numpy", "_nrt": False}
_PARALLEL = {"cache": True, "parallel": True}
UPDATE, LOOKUP = "update", "lookup"
ROWS, ROWS_ASCENDING = "rows read and written", "the same in ascending order"
LIMIT = "gradient read; rows read and written, gradient read again"


def _prefetch_to(locality: int) -> Any:
    @intrinsic
    def prefetch(typingctx, words, row, word):
        """Ask for the cache line of ``words[row, word]``; `words` is C-contiguous."""

        def codegen(context, builder, signature, arguments):
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            width = builder.extract_value(array.shape, 1)
            index = builder.add(builder.mul(arguments[1], width), arguments[2])
            byte = ir.IntType(8).as_pointer()
            address = builder.bitcast(builder.gep(array.data, [index]), byte)
            number = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
            function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
            builder.call(function, [address, number(0), number(locality), number(1)])
            return context.get_dummy_value()

        return types.void(words, types.int64, types.int64), codegen

    return prefetch


_prefetch_far, _prefetch_near = _prefetch_to(2), _prefetch_to(3)


@njit(**_SERIAL)
def _ask_far(words, rows, i, stop):
    row = rows[min(i + FAR, stop - 1)]
    for word in range(0, words.shape[1], _LINE_WORDS):
        _prefetch_far(words, row, word)


@njit(**_SERIAL)
def _ask_near(words, rows, i, stop):
    row = rows[min(i + NEAR, stop - 1)]
    for word in range(0, words.shape[1], _LINE_WORDS):
        _prefetch_near(words, row, word)


@njit(**_SERIAL)
def _write_rows(words, rows, start, stop):
    for i in range(start, stop):
        _ask_far(words, rows, i, stop)
        row = words[rows[i]]
        for word in range(row.size):
            row[word] += np.uint64(1)


@njit(**_SERIAL)
def _write_rows_read_gradient(words, rows, grad, places, start, stop):
    total = np.uint64(0)
    for i in range(start, stop):
        _ask_far(words, rows, i, stop)
        _ask_far(grad, places, i, stop)
        _ask_near(grad, places, i, stop)
        total ^= _read(grad[places[i]])
        row = words[rows[i]]
        for word in range(row.size):
            row[word] += np.uint64(1)
    return total


@njit(**_SERIAL)
def _read_rows_write_out(words, halves, rows, out, start, stop):
    for i in range(start, stop):
        _ask_far(words, rows, i, stop)
        row, written = halves[rows[i]], out[i]
        for half in range(row.size):
            written[half] = np.uint64(row[half])


@njit(**_SERIAL)
def _read(words):
    total = np.uint64(0)
    for i in range(words.size):
        total ^= words[i]
    return total


@njit(**_SERIAL)
def _copy(source, target):
    for i in range(source.size):
        target[i] = source[i]


@njit(**_PARALLEL)
def write_rows(words, rows, threads):
    """Read each row and write it back changed."""
    for t in prange(threads):
        _write_rows(words, rows, t * rows.size // threads, (t + 1) * rows.size // threads)


@njit(**_PARALLEL)
def write_rows_read_gradient(words, rows, grad, places, sums, threads):
    """`write_rows`, and read a row of the gradient with each, that at its place."""
    for t in prange(threads):
        start, stop = t * rows.size // threads, (t + 1) * rows.size // threads
        sums[t] = _write_rows_read_gradient(words, rows, grad, places, start, stop)


@njit(**_PARALLEL)
def read_rows_write_out(words, halves, rows, out, threads):
    """Read each row and write twice as many bytes; `halves` is `words` in 32-bit words."""
    for t in prange(threads):
        start, stop = t * rows.size // threads, (t + 1) * rows.size // threads
        _read_rows_write_out(words, halves, rows, out, start, stop)


@njit(**_PARALLEL)
def read_sequentially(words, sums, threads):
    """Read an array from its start to its end."""
    for t in prange(threads):
        sums[t] = _read(words[t * words.size // threads : (t + 1) * words.size // threads])


@njit(**_PARALLEL)
def copy_sequentially(source, target, threads):
    """Copy an array to another."""
    for t in prange(threads):
        start, stop = t * source.size // threads, (t + 1) * source.size // threads
        _copy(source[start:stop], target[start:stop])


def compare(rows: int, dim: int, threads: int, rounds: int, seed: int) -> list[dict[str, Any]]:
    """Update and lookup of a float16 table against their limits, with the threads there are."""
    import lowprec as lp  # see child.Child

    rng = np.random.default_rng(seed)
    rows_of_feature = rows // FEATURES
    sizes = [rows_of_feature] * FEATURES
    batches = [draw_ids(rng, rows_of_feature, (BATCH, FEATURES), "uniform") for _ in range(BATCHES)]
    first_rows = np.arange(FEATURES) * rows_of_feature
    stacked = [(indices + first_rows).reshape(-1) for indices in batches]
    orders = [np.argsort(rows, kind="stable") for rows in stacked]
    ascending = [rows[order] for rows, order in zip(stacked, orders, strict=True)]
    grad = rng.normal(size=(BATCH, FEATURES, dim)).astype(np.float32)
    out = np.empty_like(grad)
    table = lp.EmbeddingTable(sizes, dim, "float16")
    # a second table's memory, as the limits would make numbers of it that an update does not see
    raw = lp.EmbeddingTable(sizes, dim, "float16").weight
    words, halves = raw.view(np.uint64), raw.view(np.uint32)
    grad_words = grad.reshape(-1, dim).view(np.uint64)
    out_words = out.reshape(-1, dim).view(np.uint64)
    sums = np.zeros(threads, np.uint64)

    def batch(of: list[NDArray[Any]], number: int, ahead: int = 0) -> NDArray[Any]:
        # kernels on the same memory are some batches apart, or they would find its rows in cache
        return of[(number + ahead) % BATCHES]

    def step_at_limit(n: int) -> None:
        read_sequentially(grad_words.reshape(-1), sums, threads)
        write_rows_read_gradient(
            words, batch(ascending, n, ahead=10), grad_words, batch(orders, n, ahead=10),
            sums, threads,
        )  # fmt: skip

    update = {
        UPDATE: lambda n: table.update(batch(batches, n), grad),
        ROWS: lambda n: write_rows(words, batch(stacked, n), threads),
        ROWS_ASCENDING: lambda n: write_rows(words, batch(ascending, n, ahead=5), threads),
        LIMIT: step_at_limit,
    }
    lookup = {
        LOOKUP: lambda n: table.lookup(batch(batches, n), out=out),
        "rows read, output written": lambda n: read_rows_write_out(
            words, halves, batch(stacked, n), out_words, threads
        ),
    }
    setting = {"rows": rows, "dim": dim, "threads": threads, "batch": BATCH}
    return [
        asdict(measure("limits", setting, subject, contestants, rounds, seed=seed))
        for subject, contestants in ((UPDATE, update), (LOOKUP, lookup))
    ]


def bandwidth(threads: int, rounds: int, seed: int) -> dict[str, Any]:
    """Sequential reading, and copying as bytes read and written."""
    words = np.ones(SEQUENTIAL_BYTES // 8, np.uint64)
    sums = np.zeros(threads, np.uint64)
    source, target = words[: words.size // 2], words[words.size // 2 :]
    contestants = {
        "sequential read": lambda _: read_sequentially(words, sums, threads),
        "sequential copy": lambda _: copy_sequentially(source, target, threads),
    }
    setting = {"threads": threads}
    result = measure(
        "limits", setting, "sequential read", contestants, rounds,
        seed=seed, amount=SEQUENTIAL_BYTES / 1e9, unit="GB/s",
    )  # fmt: skip
    return asdict(result)


def run_rows(threads: int, **arguments: Any) -> list[Comparison]:
    """`compare` in a process of its own."""
    arguments["threads"] = threads
    found = child.call("benchmarks.limits:compare", arguments, child.environment(threads))
    return [Comparison(**one) for one in found]


def run_bandwidth(**arguments: Any) -> list[Comparison]:
    """`bandwidth` in a process of its own."""
    environment = child.environment(arguments["threads"])
    return [Comparison(**child.call("benchmarks.limits:bandwidth", arguments, environment))]


def jobs(options: Options) -> list[Job]:
    """The suite."""
    rows, dims, rounds = (20_000, (16,), 3) if options.quick else (10_000_000, (64, 16, 128), 41)
    common = {"rounds": rounds, "seed": options.seed}
    return [
        *(partial(run_bandwidth, threads=threads, **common) for threads in options.threads),
        *(
            partial(run_rows, rows=rows, dim=dim, threads=threads, **common)
            for dim in dims
            for threads in options.threads
        ),
    ]
