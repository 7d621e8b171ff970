"""lowprec on an NVIDIA GPU: how near its tables come to the memory of the card.

    python -m benchmarks.gpu --out build/gpu

prints the versions and the card, checks that CPU and GPU give the same bits, and then measures, in
less than 8 minutes: a copy on the device; lookups and updates of tables of 1e6 to 1e8 rows, in all
formats and beside PyTorch where it is installed; DLRM from data on the host and on the device, and
captured as CUDA graphs.  Of tables, it says apart what Python takes to ask for a step (host) and
what the card takes for it (device, by events), from which the bytes a second are.  It needs numba,
CuPy and the checkout.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import lowprec as lp
from benchmarks import machine
from benchmarks.data import FEATURES, draw_clicks
from benchmarks.gpu_card import FULL, QUICK, Gpu, Sizes
from benchmarks.gpu_tables import measure_tables
from benchmarks.report import tables, write
from benchmarks.results import LOWPREC, SUBJECT, Comparison, measure

_TITLES = {"gpu-copy": "Copy", "gpu-table": "Tables: lookup + update", "gpu-dlrm": "DLRM"}


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
            captured = lp.DLRM(**{**model.get_params(), "cuda_graph": True})
            contestants[f"{name}, captured"] = partial(_train, gpu, captured, dense, indices, y)
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
