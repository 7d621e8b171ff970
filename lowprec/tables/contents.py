"""What a table holds, read and written by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.device import Device
from lowprec.formats.entries import STORAGES, largest_finite
from lowprec.kernels.keys import RowKeys
from lowprec.tables.shard import WHOLE, Shard, in_shard

_ROWS_AT_ONCE = 1 << 16
_LARGEST_FLOAT32 = largest_finite(np.dtype(np.float32))


def in_pieces(rows: int) -> Iterator[slice]:
    """All rows, some at a time, so that little memory is needed beside them."""
    for start in range(0, rows, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, rows))


def check_rows(
    device: Device, rows: Any, num_rows: int, shard: Shard = WHOLE
) -> NDArray[np.uint32]:
    """Rows of the stacked matrix, of any integer dtype, as kernels of a shard take them.

    Raises
    ------
    IndexError
        If one is out of range or in another shard: names the position, the row and the limit.
    TypeError, ValueError
        If they are no integers, or not 1-D.
    """
    given = device.asarray(rows, "rows")
    if given.size == 0 and given.dtype.kind == "f":  # an empty list
        given = given.astype(np.int64)
    if given.dtype.kind not in "iu":
        raise TypeError(f"rows must be integers, got {given.dtype}")
    if given.ndim != 1:
        raise ValueError(f"rows must be 1-D, got shape {given.shape}")
    outside = device.xp.flatnonzero((given < 0) | (given >= num_rows))
    if outside.size:
        place = int(outside[0])
        raise IndexError(
            f"rows[{place}] = {given[place]} is out of range for a table of {num_rows} rows"
        )
    return in_shard(device, shard, given.astype(np.uint32))


@in_standard_arithmetic
def check_values(
    device: Device, name: str, values: Any, shape: tuple[int, int], storage: np.dtype
) -> tuple[NDArray[np.float32], int]:
    """Numbers to store, as float32, and how many of them saturate.

    float64 is rounded to odd: rounding once more, into fewer bits, is then as if from float64
    (Boldo and Melquiond, 2008).

    Raises
    ------
    TypeError, ValueError
        If they are no real numbers, or of another shape.
    """
    given = device.asarray(values, name)
    if given.dtype.kind not in "fiu" and given.dtype not in STORAGES:
        raise TypeError(f"{name} must be real numbers, got {given.dtype}")
    if given.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {given.shape}")
    xp, most = device.xp, largest_finite(storage)
    if given.dtype.itemsize <= 4 and given.dtype.kind not in "iu":
        numbers = given.astype(np.float32)
        beyond = (xp.abs(numbers) > np.float32(most)) & xp.isfinite(numbers)
        return numbers, int(beyond.sum())
    wide = given.astype(np.float64)
    beyond = (xp.abs(wide) > most) & xp.isfinite(wide)
    clipped = xp.where(xp.isfinite(wide), xp.clip(wide, -_LARGEST_FLOAT32, _LARGEST_FLOAT32), wide)
    numbers = clipped.astype(np.float32)
    if storage != np.float32:
        even = (numbers.view(np.uint32) & np.uint32(1)) == 0
        inexact = xp.isfinite(wide) & (numbers.astype(np.float64) != clipped)
        towards = xp.where(clipped > numbers, np.float32(np.inf), np.float32(-np.inf))
        with np.errstate(over="ignore"):  # of numbers that are not taken
            numbers = xp.where(inexact & even, xp.nextafter(numbers, towards), numbers)
    return numbers, int(beyond.sum())


def last_of_equal_rows(device: Device, rows: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The places of rows, each row once, where the last of equal ones is."""
    _, from_the_end = np.unique(device.to_host(rows)[::-1], return_index=True)
    return device.asarray(len(rows) - 1 - from_the_end)  # type: ignore[no-any-return]


def write_rows(
    device: Device, words: Any, rows: NDArray[np.uint32], values: NDArray[np.float32],
    keys: RowKeys, step: int, rounding: str,
) -> None:  # fmt: skip
    """Store values (n, columns) in different rows of `words`."""
    if rows.size:
        values = device.contiguous(values, np.float32)
        stochastic = rounding == "stochastic"
        device.kernels.write_rows(words, rows, values, keys, np.uint64(step), stochastic)
