"""What is wrong with labels, probabilities and scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lowprec.checks import as_array, holds_numbers

_OTHER_LABELS = "of other labels pass y == classes_[1]"


def check_labels(y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels as bool and real numbers of their length, or a ValueError."""
    y, p = as_vector("y", y), as_vector("p", p)
    if y.size != p.size:
        raise ValueError(f"y and p must have the same length, got {y.size} and {p.size}")
    if y.size == 0:
        raise ValueError("y and p are empty: a mean needs at least one sample")
    raise_at_first("y", y, ~((y == 0) | (y == 1)), f"is not 0 or 1; {_OTHER_LABELS}")
    return y == 1, p


def check_probabilities(y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels as bool and probabilities as float64, or a ValueError."""
    clicked, p = check_labels(y, p)
    p = p.astype(np.float64)
    raise_at_first("p", p, ~((p >= 0) & (p <= 1)), "is not in [0, 1]")
    return clicked, p


def check_both_labels(clicked: np.ndarray, weights: np.ndarray | None) -> None:
    """ValueError unless both labels occur, with a weight above 0 where there are weights."""
    counted = clicked if weights is None else clicked[weights > 0]
    if counted.all() or not counted.any():
        which = f"{counted.size}" if weights is None else f"{counted.size} of positive weight"
        raise ValueError(f"y must hold both labels, but all {which} are {int(counted[0])}")


def as_vector(name: str, values: ArrayLike) -> np.ndarray:
    """A vector of numbers, in a dtype of NumPy."""
    array = as_array(name, values)
    if array.ndim != 1:
        hint = "; of predict_proba pass p[:, 1]" if name == "p" and array.ndim == 2 else ""
        raise ValueError(f"{name} must have shape (n,), got {array.shape}{hint}")
    return _in_numpy(name, array, f"; {_OTHER_LABELS}" if name == "y" else "")


def as_matrix(name: str, values: ArrayLike) -> np.ndarray:
    """Numbers for each user and item, in a dtype of NumPy."""
    array = as_array(name, values)
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (users, items), got {array.shape}")
    return _in_numpy(name, array, "")


def _in_numpy(name: str, array: np.ndarray, hint: str) -> np.ndarray:
    if array.size and not holds_numbers(array.dtype):
        raise ValueError(f"{name} must hold numbers, got dtype {array.dtype}{hint}")
    return array.astype(np.float64) if array.dtype.kind == "V" else array


def raise_at_first(name: str, values: np.ndarray, bad: np.ndarray, complaint: str) -> None:
    """ValueError with the first entry of a vector that is `bad`."""
    if bad.any():
        position = int(np.argmax(bad))
        raise ValueError(f"{name}[{position}] = {values[position]} {complaint}")
