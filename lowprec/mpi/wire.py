"""Gradients as they travel: float32, or float16 rounded stochastically."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.device import Device
from lowprec.kernels.keys import stream_key
from lowprec.scalar.xorshift import STREAM_WIRE
from lowprec.workspace import Allocator

Wire: TypeAlias = Literal["float32", "float16"]
WIRES: tuple[str, ...] = get_args(Wire)
_FLOAT16 = np.dtype(np.float16)
_LARGEST = {"float32": float(np.finfo(np.float32).max), "float16": float(np.finfo(_FLOAT16).max)}


@in_standard_arithmetic
def is_within(device: Device, grad: NDArray[np.float32], wire: str) -> bool:
    """Whether all gradients are finite, and not beyond what the wire can hold."""
    if wire == "float32":
        found = np.zeros(1, np.bool_)
        device.kernels.note_nonfinite([grad.reshape(-1)], found)
        return not found[0]
    most = _LARGEST[wire]  # comparisons with NaN are False
    return bool(grad.max(initial=0.0) <= most and grad.min(initial=0.0) >= -most)


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


@in_standard_arithmetic
def packed(
    scratch: Allocator, grad: NDArray[np.float32], wire: str, seed: int, step: int, first_bag: int
) -> NDArray[Any]:
    """Gradients (bags, columns) as they travel.

    The random bits are a function of (seed, step, number of the bag in the whole batch, column).
    """
    if wire == "float32":
        return grad
    out, device = scratch.empty("gradients on the wire", grad.shape, _FLOAT16), scratch.device
    key, first = stream_key(seed, STREAM_WIRE, step), first_bag * grad.shape[1]
    words = device.words(out.reshape(-1), _FLOAT16)
    device.kernels.round_stochastic(grad.reshape(-1), key, words, first)
    return out  # type: ignore[no-any-return]


@in_standard_arithmetic
def unpacked(scratch: Allocator, data: NDArray[Any]) -> NDArray[np.float32]:
    """What arrived, as float32."""
    if data.dtype == np.float32:
        return data
    out, device = scratch.empty("gradients", data.shape, np.float32), scratch.device
    rows = np.arange(len(data), dtype=np.uint32)
    device.kernels.gather(device.words(data, _FLOAT16), rows, out)
    return out
