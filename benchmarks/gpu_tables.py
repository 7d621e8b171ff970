"""Lookups and updates of tables on a GPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lowprec as lp
from benchmarks.data import FEATURES, draw_ids
from benchmarks.gpu_card import Gpu, Sizes
from benchmarks.results import LOWPREC, SUBJECT, Comparison, measure
from lowprec.tables import verbs

LEARNING_RATE = 0.01
_BATCHES = 8  # that rotate, so that the rows of none stay in cache
_MEMORY_SHARE = 0.8  # of what is free on the card, that the tables of one size may take


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
