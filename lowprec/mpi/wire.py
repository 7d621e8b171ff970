"""Gradients as they travel: float32, or float16 rounded stochastically."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.batch import Batch
from lowprec.kernels.keys import stream_key
from lowprec.scalar.xorshift import STREAM_WIRE
from lowprec.tables import sharing
from lowprec.tables.embedding import EmbeddingTable
from lowprec.workspace import Allocator

Wire: TypeAlias = Literal["float32", "float16"]
WIRES: tuple[str, ...] = get_args(Wire)
_FLOAT16 = np.dtype(np.float16)
_MAGNITUDE = np.uint32(0x7FFFFFFF)
_LARGEST = {"float32": float(np.finfo(np.float32).max), "float16": float(np.finfo(_FLOAT16).max)}


def check_range(grad: NDArray[np.float32], wire: str) -> None:
    """FloatingPointError if a finite gradient would saturate on the wire."""
    most = _LARGEST[wire]
    beyond = np.argwhere((np.abs(grad) > most) & np.isfinite(grad))
    if len(beyond):
        bag, column = (int(i) for i in beyond[0])
        raise FloatingPointError(
            f"grad of bag {bag}, column {column} is {grad[bag, column]}, beyond {most:g}, "
            f"the largest number of wire={wire!r}; nothing was updated"
        )


class Packing:
    """How a rank's gradients are packed for one update.

    The random bits are a function of (seed, step, number of the bag in the whole batch, column).

    Attributes
    ----------
    wire : str
    """

    def __init__(self, table: EmbeddingTable, wire: str, first_bag: int) -> None:
        self.wire, self._columns, self._first_bag = wire, table.embedding_dim, first_bag
        self._dtype, self._scratch = np.dtype(wire), sharing.scratch_of(table)
        self._key = stream_key(table.seed, STREAM_WIRE, table.step)

    def room(self, name: str, rows: int) -> NDArray[Any]:
        """An array of this name, for so many gradients."""
        return self._scratch.empty(name, (rows, self._columns), self._dtype)  # type: ignore[no-any-return]

    @in_standard_arithmetic
    def pack(self, grad: NDArray[np.float32], bags: NDArray[np.uint32], room: NDArray[Any]) -> int:
        """Put the gradients of bags into as much room; returns the bits of the largest magnitude.

        inf is above all finite magnitudes, and NaN above inf.
        """
        if not bags.size:
            return 0
        device = self._scratch.device
        words = device.words(room, self._dtype)
        return int(device.kernels.pack(grad, bags, self._first_bag, self._key, words))

    def holds(self, bits: int) -> bool:
        """Whether the wire can hold the number with these bits."""
        return bool(_number(bits) <= _LARGEST[self.wire])

    def as_sent(self, bits: int) -> np.float32:
        """What a number with these bits is at most, once it was rounded."""
        number = _number(bits)
        if self.wire == "float32" or not number <= _LARGEST[self.wire]:
            return number
        rounded = np.float16(number)
        above = rounded if rounded >= number else np.nextafter(rounded, np.float16(np.inf))
        return np.float32(min(above, np.float16(_LARGEST[self.wire])))


def _number(bits: int) -> np.float32:
    return np.uint32(bits).view(np.float32)  # type: ignore[no-any-return]


def bits_of_largest(grad: NDArray[np.float32], batch: Batch) -> int:
    """The bits of the largest magnitude of gradients of bags without ids, which are not sent."""
    if batch.offsets is None:
        return 0
    unsent = grad[batch.offsets[1:] == batch.offsets[:-1]]
    return int((unsent.view(np.uint32) & _MAGNITUDE).max()) if unsent.size else 0


@in_standard_arithmetic
def unpacked(scratch: Allocator, data: NDArray[Any]) -> NDArray[Any]:
    """What arrived, as an update takes it: float32, or words where kernels decode them."""
    if data.dtype == np.float32:
        return data
    device = scratch.device
    words = device.words(data, _FLOAT16)
    if data.shape[1] > 1 and not device.asynchronous:
        return words  # type: ignore[no-any-return]
    out = scratch.empty("decoded gradients", data.shape, np.float32)
    device.kernels.gather(words, device.xp.arange(len(data), dtype=np.uint32), out)
    return out  # type: ignore[no-any-return]
