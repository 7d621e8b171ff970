"""lowprec on an NVIDIA GPU: how near its tables come to the memory of the card.

    python -m benchmarks.gpu --out build/gpu

prints the versions and the card, checks that CPU and GPU give the same bits, and then measures, in
less than 8 minutes: a copy on the device; lookups and updates of tables of 1e6 to 1e8 rows, in all
formats and beside PyTorch where it is installed; DLRM from data on the host and on the device.  Of
tables, it says apart what Python takes to ask for a step (host) and what the card takes for it
(device, by events), from which the bytes a second are.  It needs numba, CuPy and the checkout.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lowprec as lp
import lowprec.cuda
from benchmarks import machine
from benchmarks.data import FEATURES, draw_clicks, draw_ids
from benchmarks.report import tables, write
from benchmarks.results import LOWPREC, SUBJECT, Comparison, measure
from lowprec.device import get_device
from lowprec.tables import verbs

LEARNING_RATE = 0.01
_BATCHES = 8  # that rotate, so that the rows of none stay in cache
_MEMORY_SHARE = 0.8  # of what is free on the card, that the tables of one size may take
# what the device does while Python asks for the work that is timed: 20 ms at 3 TB/s
_BUSY_BYTES, _BUSY_COPIES = 1 << 26, 450
_TITLES = {"gpu-copy": "Copy", "gpu-table": "Tables: lookup + update", "gpu-dlrm": "DLRM"}


@dataclass(frozen=True)
class Sizes:
    """What is measured."""

    copy_bytes: int
    rows: tuple[int, ...]
    dims: tuple[int, ...]
    batch: int
    steps: int  # of a turn
    rounds: int
    samples: int  # of a turn of DLRM
    seconds: float  # after which no further size is begun


FULL = Sizes(1 << 30, (10**6, 10**7, 10**8), (16, 64, 128), 16384, 20, 7, 1 << 18, 400.0)
QUICK = Sizes(1 << 16, (2600,), (16,), 64, 1, 2, 128, 400.0)


class Gpu:
    """The card, by what benchmarks ask it."""

    def __init__(self) -> None:
        self.xp = get_device("cuda").xp
        self.real = not lowprec.cuda.SIMULATED

    def write_columns(self, columns: int) -> None:
        """Let each thread of a lookup write so many columns at a time."""
        from lowprec.kernels.cuda import wide

        wide.OF_FLOAT32 = {4: wide.ByFour, 8: wide.ByEight}[columns]

    def wait(self) -> None:
        """Wait until everything is done."""
        if self.real:
            self.xp.cuda.Device().synchronize()

    def free_bytes(self) -> int:
        """Memory that can be allocated."""
        if not self.real:
            return machine.available_memory()
        self.xp.get_default_memory_pool().free_all_blocks()
        return int(self.xp.cuda.runtime.memGetInfo()[0])

    def apart(self, ask: Callable[[], object]) -> tuple[float, float]:
        """Seconds that Python takes to ask for work, and that the device takes for it.

        The device has something to do before, so that it never waits for Python.
        """
        self.wait()
        if self.real:
            events = [self.xp.cuda.Event() for _ in range(2)]
            source = self.xp.zeros(_BUSY_BYTES, np.uint8)
            target = self.xp.empty_like(source)
            for _ in range(_BUSY_COPIES):
                target[...] = source
            events[0].record()
        started = time.perf_counter()
        ask()
        host = time.perf_counter() - started
        if not self.real:
            return host, float("nan")
        events[1].record()
        events[1].synchronize()
        return host, self.xp.cuda.get_elapsed_time(*events) / 1e3

    def describe(self) -> dict[str, Any]:
        """The card and the software."""
        names = ("lowprec", "numba", "numba-cuda", "cupy-cuda12x", "cupy-cuda13x", "torch", "numpy")
        packages = {name: found for name in names if (found := _version(name))}
        if not self.real:
            return {"card": "Numba's simulator: times mean nothing", "packages": packages}
        runtime = self.xp.cuda.runtime
        card = runtime.getDeviceProperties(self.xp.cuda.Device().id)
        return {
            "card": card["name"].decode(),
            "memory GB": round(card["totalGlobalMem"] / 1e9, 1),
            "L2 MB": round(card["l2CacheSize"] / 1e6, 1),
            "driver, runtime": f"{runtime.driverGetVersion()}, {runtime.runtimeGetVersion()}",
            "packages": packages,
        }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_bits() -> int:
    """Train small tables on both devices; returns how many were compared, all equal.

    Raises
    ------
    AssertionError
        If a table has other bits on the GPU.
    """
    rng = np.random.default_rng(0)
    compared = 0
    for dtype in ("float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"):
        for dim in (1, 10, 16, 64, 128):
            pair = [
                lp.EmbeddingTable([50, 300], dim, dtype, seed=1, device=device)
                for device in ("cpu", "cuda")
            ]
            for _ in range(2):
                indices = rng.integers(0, [50, 300], (700, 2))
                indices[rng.random(700) < 0.4, 1] = 7  # a row that is summed in pieces
                grad = rng.normal(size=(700, 2, dim)).astype(np.float32)
                for table in pair:
                    table.update(indices, grad)
            words = [table.to("cpu").weight.tobytes() for table in pair]
            assert words[0] == words[1], f"{dtype}, {dim} columns: other bits than on the CPU"
            compared += 1
    return compared


def measure_copy(gpu: Gpu, sizes: Sizes) -> Comparison:
    """Bytes a second of a copy on the device, read and written."""
    source = gpu.xp.zeros(sizes.copy_bytes // 4, np.float32)
    target = gpu.xp.empty_like(source)

    def copy(number: int) -> None:
        for _ in range(sizes.steps):
            target[...] = source
        gpu.wait()

    amount = 2 * source.nbytes * sizes.steps / 1e9
    setting = {"bytes": source.nbytes}
    return measure(
        "gpu-copy", setting, "copy", {"copy": copy}, sizes.rounds, amount=amount, unit="GB/s"
    )


def _ask(steps: int, step: Callable[[int], object], number: int = 0) -> None:
    for k in range(steps):
        step((number * steps + k) % _BATCHES)


def _turn(gpu: Gpu, steps: int, step: Callable[[int], object], number: int) -> None:
    _ask(steps, step, number)
    gpu.wait()


def measure_tables(
    gpu: Gpu, sizes: Sizes, rows: int, dim: int, ids: str, copy_rate: float, seed: int
) -> list[Comparison]:
    """Lookups, and lookups with updates, of one size of table; `copy_rate` in bytes a second."""
    rows_of_feature = rows // FEATURES
    rng = np.random.default_rng(seed)
    batches = [
        draw_ids(rng, rows_of_feature, (sizes.batch, FEATURES), ids) for _ in range(_BATCHES)
    ]
    on_device = [gpu.xp.asarray(batch) for batch in batches]
    grad = gpu.xp.asarray(rng.normal(size=(sizes.batch, FEATURES, dim)).astype(np.float32))
    out = gpu.xp.empty_like(grad)
    unique = float(np.mean([_unique_rows(batch, rows_of_feature) for batch in batches]))
    lookups, updates, both, row_bytes, notes = {}, {}, {}, {}, []
    budget = gpu.free_bytes() * _MEMORY_SHARE
    # the subject first, so that the largest tables are of it where not all have room
    for name in sorted(LOWPREC, key=lambda name: name != SUBJECT):
        dtype, rounding = LOWPREC[name]
        nbytes = rows * dim * np.dtype(dtype).itemsize
        if nbytes > budget:
            notes.append(f"{name} is left out: not enough memory")
            continue
        budget -= nbytes
        table = lp.EmbeddingTable(
            [rows_of_feature] * FEATURES, dim, dtype, rounding, lp.SGD(LEARNING_RATE),
            device="cuda", init_range=0.0, on_nonfinite="skip",  # "raise" waits for the device
        )  # fmt: skip
        ready = [table.batch(batch) for batch in on_device]
        lookups[name] = partial(_lookup, table, ready, out)
        updates[name] = partial(_update, table, ready, grad)
        both[name] = partial(_step, table, on_device, grad, out)
        row_bytes[name] = dim * np.dtype(dtype).itemsize
    if gpu.real and importlib.util.find_spec("torch") and rows * dim * 4 <= budget:
        from benchmarks.peers.pytorch_gpu import SparseSGD

        peer = SparseSGD(rows_of_feature * FEATURES, dim, FEATURES, LEARNING_RATE)
        peer.load(batches, grad.get())
        both["PyTorch float32"], row_bytes["PyTorch float32"] = peer.step, 4 * dim
    else:
        notes.append("PyTorch is left out: not installed, or not enough memory")
    found = []
    subject = SUBJECT if SUBJECT in both else next(iter(both))
    for part, contestants in (("lookup", lookups), ("update", updates), ("both", both)):
        setting = {"part": part, "rows": rows, "dim": dim, "ids": ids, "batch": sizes.batch}
        turns = {name: partial(_turn, gpu, sizes.steps, step) for name, step in contestants.items()}
        comparison = measure(
            "gpu-table", setting, subject, turns, sizes.rounds, seed=seed, notes=notes
        )
        for name, step in contestants.items():
            nbytes = 0.0  # that a step must move at least
            if part != "update":
                nbytes += sizes.batch * FEATURES * row_bytes[name] + out.nbytes
            if part != "lookup":
                nbytes += 2 * unique * row_bytes[name] + grad.nbytes
            host, device = gpu.apart(partial(_ask, sizes.steps, step))
            rate = sizes.steps * nbytes / device
            comparison.table[name] = {
                "host us": 1e6 * host / sizes.steps,
                "device us": 1e6 * device / sizes.steps,
                "GB/s": rate / 1e9,
                "of a copy": rate / copy_rate,
            }
        found.append(comparison)
    return found


def _unique_rows(indices: NDArray[Any], rows_of_feature: int) -> int:
    rows = indices + np.arange(FEATURES, dtype=np.int64) * rows_of_feature
    return len(np.unique(rows))


def _lookup(table: lp.EmbeddingTable, batches: Sequence[Any], out: Any, number: int) -> None:
    table.lookup(batches[number], out=out)


def _update(table: lp.EmbeddingTable, batches: Sequence[Any], grad: Any, number: int) -> None:
    table.update(batches[number], grad)


def _step(
    table: lp.EmbeddingTable, batches: Sequence[Any], grad: Any, out: Any, number: int
) -> None:
    # ids that were checked before, as those of `fit` are: a step waits for nothing
    batch = verbs.batch_of(table, batches[number], None, None, False, checked=True)
    table.lookup(batch, out=out)
    table.update(batch, grad)


def measure_dlrm(gpu: Gpu, sizes: Sizes, dim: int, seed: int) -> Comparison:
    """DLRM's samples a second, from the host's memory and from the device's."""
    rows_of_feature = min(100_000, sizes.rows[-1] // FEATURES)
    dense, indices, y = draw_clicks(seed, sizes.samples, rows_of_feature)
    there = [gpu.xp.asarray(array) for array in (dense, indices, y)]
    contestants = {}
    for name, (dtype, rounding) in LOWPREC.items():
        model = lp.DLRM(
            [rows_of_feature] * FEATURES, dim, dtype=dtype, rounding=rounding, device="cuda",
            optimizer=lp.SGD(0.1), batch_size=min(8192, sizes.samples),
        )  # fmt: skip
        contestants[f"{name}, host"] = partial(_train, gpu, model, dense, indices, y)
        if name == SUBJECT:
            contestants[f"{name}, device"] = partial(_train, gpu, model, *there)
    setting = {"dim": dim, "samples": sizes.samples, "batch": min(8192, sizes.samples)}
    return measure(
        "gpu-dlrm", setting, f"{SUBJECT}, host", contestants, sizes.rounds,
        seed=seed, amount=sizes.samples, unit="samples/s",
    )  # fmt: skip


def _train(gpu: Gpu, model: Any, dense: Any, indices: Any, y: Any, number: int) -> None:
    model.partial_fit((dense, indices), y)
    gpu.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; the exit status is 1 if CPU and GPU disagree."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything run?")
    parser.add_argument("--seed", type=int, default=0, help="of ids and gradients; default 0")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), metavar="DIR")
    columns_help = "of float32 that a thread of a lookup writes at a time; default 4"
    parser.add_argument("--columns", type=int, choices=(4, 8), default=4, help=columns_help)
    options = parser.parse_args(arguments)
    started = time.time()
    sizes = QUICK if options.quick else FULL
    gpu = Gpu()
    gpu.write_columns(options.columns)
    command = f"python -m benchmarks.gpu --columns {options.columns}"
    about = {"command": command, **machine.describe(), **gpu.describe()}
    print(json.dumps(about, indent=1), flush=True)
    compared = check_bits()
    print(f"{time.time() - started:5.0f} s  {compared} tables have the CPU's bits", flush=True)
    about["tables with the CPU's bits"] = compared
    copy = measure_copy(gpu, sizes)
    rate = copy.amount * 1e9 / copy.spread("copy").median
    comparisons, left_out = [copy], []
    for dim in sizes.dims[:2]:
        print(f"{time.time() - started:5.0f} s  DLRM, {dim} columns", flush=True)
        comparisons.append(measure_dlrm(gpu, sizes, dim, options.seed))
    for rows in sizes.rows:
        for dim in sizes.dims:
            for ids in ("uniform", "zipf"):
                size = f"{rows:,} x {dim}, {ids}"
                if time.time() - started > sizes.seconds:
                    left_out.append(f"{size}: no time left")
                    continue
                print(f"{time.time() - started:5.0f} s  {size}", flush=True)
                comparisons += measure_tables(gpu, sizes, rows, dim, ids, rate, options.seed)
    write(options.out, comparisons, about, left_out, _TITLES)
    print(tables(comparisons))
    print(options.out / "results.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
