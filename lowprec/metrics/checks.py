"""What is wrong with labels, probabilities and scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lowprec.checks import as_array, holds_numbers


def check_labels(y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels as bool and real numbers of their length, or a ValueError."""
    y, p = _as_vector("y", y), _as_vector("p", p)
    if y.size != p.size:
        raise ValueError(f"y and p must have the same length, got {y.size} and {p.size}")
    if y.size == 0:
        raise ValueError("y and p are empty: there is no mean of nothing")
    raise_at_first("y", y, ~((y == 0) | (y == 1)), "is not 0 or 1")
    return y == 1, p


def check_probabilities(y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels as bool and probabilities as float64, or a ValueError."""
    clicked, p = check_labels(y, p)
    p = p.astype(np.float64)
    raise_at_first("p", p, ~((p >= 0) & (p <= 1)), "is not in [0, 1]")
    return clicked, p


def check_both_labels(clicked: np.ndarray) -> None:
    if clicked.all() or not clicked.any():
        label = int(clicked[0])
        raise ValueError(f"y must hold both labels, but all {clicked.size} are {label}")


def _as_vector(name: str, values: ArrayLike) -> np.ndarray:
    """A vector of numbers, in a dtype of NumPy."""
    array = as_array(name, values)
    if array.ndim != 1:
        hint = "; of predict_proba pass p[:, 1]" if name == "p" and array.ndim == 2 else ""
        raise ValueError(f"{name} must have shape (n,), got {array.shape}{hint}")
    if array.size and not holds_numbers(array.dtype):
        raise ValueError(f"{name} must hold numbers, got dtype {array.dtype}")
    return array.astype(np.float64) if array.dtype.kind == "V" else array


def raise_at_first(name: str, values: np.ndarray, bad: np.ndarray, complaint: str) -> None:
    if bad.any():
        position = int(np.argmax(bad))
        raise ValueError(f"{name}[{position}] = {values[position]} {complaint}")
