"""Looking at what an update would do to a table."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.batch import Batch
from lowprec.device import get_device
from lowprec.formats.entries import storage_name
from lowprec.kernels.gradients import ROW_SHIFT
from lowprec.roundoff.report import RoundoffReport
from lowprec.scalar.xorshift import STREAM_UPDATE
from lowprec.tables.keys import row_keys
from lowprec.tables.rows import touch
from lowprec.tables.store import Store
from lowprec.tables.update import group_and_check, step_numbers
from lowprec.workspace import Allocator


@in_standard_arithmetic
def diagnose(
    store: Store, batch: Batch, grad: NDArray[np.float32], max_numbers: int | None, refuse: bool
) -> RoundoffReport:
    """What `EmbeddingTable.diagnose` returns; rows without a finite step are counted, or raise."""
    from lowprec.roundoff.survey import report_on  # here, to keep the package quick to import

    rules, step, limit = step_numbers(store)
    kept, rows = None, batch.rows
    numbers = min(rows.size, store._shape[0]) * store.embedding_dim
    if max_numbers is not None and numbers > max_numbers:
        every = -(-numbers // max_numbers)
        kept = store._device.xp.flatnonzero(rows % every == scattered(store._step) % every)
        rows = rows[kept]
    arrays, last = store._arrays_of_rows(), None
    if store.optimizer.catches_up:
        arrays, last = arrays[:-1], arrays[-1]
    stepped = no_rows([array.shape[1] for array in arrays])
    if rows.size:
        touch(store, rows)
        scratch = Allocator(store._device)
        segments, gradients, _ = group_and_check(
            store, batch, grad, limit, refuse, None, scratch, kept, to_update=False
        )
        stepped = stepped_rows(store._device, arrays, segments, gradients)
    seen = np.empty(0, np.uint32)
    if last is not None:
        seen = store._device.to_host(last)[stepped[0], 0]
        logs = store._device.to_host(rules[1].logs)
        rules = (rules[0], rules[1]._replace(logs=logs))
    keys = row_keys(get_device("cpu"), store.seed, STREAM_UPDATE, store._shard)
    return report_on(
        storage_name(store.dtype), store.rounding, *stepped, seen, rules, limit, keys,
        step,
    )  # fmt: skip


def scattered(step: int) -> int:
    """A hash of the step (32 bits): those of successive steps are unrelated."""
    return zlib.crc32(step.to_bytes(8, "little"))


_Rows = tuple[NDArray[np.uint32], tuple[NDArray[np.float32], ...], NDArray[np.float32]]


def no_rows(columns: Sequence[int]) -> _Rows:
    """`stepped_rows` of a batch without any; `columns` are those of the weights and each state."""
    nothing = tuple(np.empty((0, count), np.float32) for count in columns)
    return np.empty(0, np.uint32), nothing, nothing[0]


def stepped_rows(device: Any, arrays: tuple[Any, ...], segments: Any, gradients: Any) -> _Rows:
    """The rows of a batch (n,), what weights and states hold there, and their summed gradients.

    In the memory of the host.
    """
    xp, kernels, columns = device.xp, device.kernels, arrays[0].shape[1]
    rows = (segments.order >> ROW_SHIFT).astype(np.uint32)
    begins = xp.ones(rows.size, np.bool_)
    begins[1:] = rows[1:] != rows[:-1]
    places = xp.flatnonzero(begins)
    rows = rows[places]
    sums = device.empty((segments.order.size, columns), np.float32)
    kernels.sum_segments(segments, gradients, sums)
    held = [device.empty((rows.size, array.shape[1]), np.float32) for array in arrays]
    for array, numbers in zip(arrays, held, strict=True):
        kernels.gather(array, rows, numbers)
    on_host = tuple(map(device.to_host, held))
    return device.to_host(rows), on_host, device.to_host(sums[places])
