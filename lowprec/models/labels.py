"""The labels of a classifier: any two values, which training sees as 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.checks import as_plain, entries_of, holds_numbers
from lowprec.device import Device, brought
from lowprec.exceptions import warn

_LARGEST = float(np.finfo(np.float32).max)
_KINDS = "biufU"  # of the dtypes of labels
_MAX_BYTES = 1 << 16


def check_labels(
    home: Device, y: Any, n: int, classes: NDArray[Any] | None, one_is_enough: bool
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Labels as 0 and 1, and the two classes, ascending.

    Without `classes` they are the two values that occur; those of 0 and 1, also as floats or
    booleans, are the integers.  Where `one_is_enough`, labels that are 0 or 1 alone have both.

    Raises
    ------
    TypeError, ValueError
        If there are not n labels, one is missing, or none of two classes: names its position.
    """
    labels = brought(home, "y", y)
    if labels.shape == (n, 1):
        warn(
            f"A column-vector y was passed when a 1d array was expected: its shape is ({n}, 1), "
            f"that of y.ravel() is ({n},)",
            "DataConversionWarning",
        )
        labels = labels[:, 0]
    if labels.dtype.kind == "V" and holds_numbers(labels.dtype):  # of ml_dtypes
        labels = labels.astype(np.float64)
    if labels.dtype.kind == "T":  # NumPy's strings of any length
        labels = labels.astype(str)
    if labels.shape != (n,):
        raise ValueError(f"y must have shape ({n},), got {labels.shape}")
    if labels.dtype.kind not in _KINDS + "O":
        raise TypeError(f"y must hold numbers, booleans or strings, got {labels.dtype}")
    _check_present(labels)
    if classes is None:
        classes = _classes_in(home, labels, one_is_enough)
    is_second = labels == classes[1]
    bad = home.xp.flatnonzero(~(is_second | (labels == classes[0])))
    if bad.size:
        place = int(bad[0])
        raise ValueError(
            f"y[{place}] = {_shown(labels[place])} is none of the classes {_shown(classes[0])} and "
            f"{_shown(classes[1])}"
        )
    return is_second.astype(np.float32), classes


def check_classes(classes: Any) -> NDArray[Any]:
    """Two different labels, ascending; ValueError if there are not two."""
    given = entries_of(classes)
    if given is None:
        raise TypeError(f"classes must be two labels, got {classes!r}")
    found = np.unique(np.asarray(given))
    if found.dtype.kind not in _KINDS:
        raise TypeError(f"classes must be numbers, booleans or strings, got {classes!r}")
    if len(found) != 2:
        raise ValueError(f"classes must be two different labels, got {classes!r}")
    return found


def describe_classes(classes: NDArray[Any]) -> dict[str, Any]:
    """Two classes as JSON has them."""
    return {"dtype": classes.dtype.str, "values": classes.tolist()}


def classes_from(description: Any) -> NDArray[Any]:
    """The classes that a file describes; None, as in earlier versions, means 0 and 1."""
    if description is None:
        return np.array([0, 1])
    dtype = np.dtype(description["dtype"])
    if dtype.kind not in _KINDS or dtype.itemsize > _MAX_BYTES:
        raise ValueError(f"has classes of {dtype}")
    try:
        values = np.array(description["values"], dtype)
    except OverflowError as error:
        raise ValueError(f"has classes that are no {dtype}: {error}") from None
    return check_classes(values)


def check_weights(
    home: Device, sample_weight: Any, class_weight: Any, y: NDArray[np.float32],
    classes: NDArray[Any],
) -> NDArray[np.float32] | None:  # fmt: skip
    """What the loss of each sample is multiplied with; None for ones.

    A sample's weight times that of its class; ``"balanced"`` gives both classes half of all.

    Raises
    ------
    TypeError, ValueError
        If a weight is negative or not finite, or `class_weight` is none.
    """
    weights = None
    if sample_weight is not None:
        weights = home.as_float32("sample_weight", brought(home, "sample_weight", sample_weight))
        if weights.shape != y.shape:
            raise ValueError(f"sample_weight must have shape {y.shape}, got {weights.shape}")
        bad = home.xp.flatnonzero(~(home.xp.isfinite(weights) & (weights >= 0)))
        if bad.size:
            place = int(bad[0])
            raise ValueError(
                f"sample_weight[{place}] = {weights[place]} must be finite and not negative"
            )
    pair = _class_weights(class_weight, home, y, weights, classes)
    if pair is None:
        return weights
    of_class = home.xp.where(y == 1, np.float32(pair[1]), np.float32(pair[0]))
    return of_class if weights is None else of_class * weights  # type: ignore[no-any-return]


def check_class_weight(class_weight: Any) -> None:
    """TypeError or ValueError unless it is None, "balanced" or {label: weight}."""
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"class_weight must be None, 'balanced' or {{label: weight}}, got {class_weight!r}"
        )
    for label, weight in class_weight.items():
        is_number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not is_number or not 0 <= as_plain(weight) <= _LARGEST:
            raise ValueError(
                f"class_weight[{label!r}] must be finite in float32 and not negative, got "
                f"{weight!r}"
            )


def _class_weights(
    class_weight: Any, home: Device, y: NDArray[np.float32], weights: Any, classes: NDArray[Any]
) -> tuple[float, float] | None:
    if class_weight is None:
        return None
    if isinstance(class_weight, str):  # "balanced"
        ones = y if weights is None else y * weights
        total = float(len(y) if weights is None else weights.sum(dtype=np.float64))
        second = float(ones.sum(dtype=np.float64))
        if not 0 < second < total:
            raise ValueError("class_weight='balanced' needs weight on both classes")
        return total / (2 * (total - second)), total / (2 * second)
    unknown = [label for label in class_weight if label not in classes.tolist()]
    if unknown:
        raise ValueError(
            f"class_weight has {unknown[0]!r}, which is none of the classes {classes.tolist()}"
        )
    first, second = (float(class_weight.get(label, 1.0)) for label in classes.tolist())
    return first, second


def _check_present(labels: Any) -> None:
    """ValueError names a label that is missing."""
    if labels.dtype.kind == "f":
        missing = np.flatnonzero(np.asarray(labels != labels))
    elif labels.dtype == object:
        # NA of pandas is neither equal nor unequal
        missing = np.array([i for i, y in enumerate(labels) if y is None or (y == y) is not True])
    else:
        return
    if missing.size:
        place = int(missing[0])
        raise ValueError(f"y[{place}] = {labels[place]} is missing")


def _classes_in(home: Device, labels: Any, one_is_enough: bool) -> NDArray[Any]:
    try:
        found, counts = map(home.to_host, home.xp.unique(labels, return_counts=True))
    except TypeError as error:
        raise TypeError(f"y must hold labels that can be ordered: {error}") from error
    if found.dtype == object:
        found = np.array(found.tolist())
    if found.dtype.kind not in _KINDS:
        raise TypeError(f"y must hold numbers, booleans or strings, got {labels.dtype}")
    of_clicks = found.dtype.kind in "biuf" and not np.setdiff1d(found, [0, 1]).size
    if of_clicks and (len(found) == 2 or one_is_enough):
        return np.array([0, 1])  # of whatever dtype the labels are
    if len(found) == 2:
        return found
    if len(found) < 2:
        alone = f" alone, {_shown(found[0])}" if len(found) else ""
        raise ValueError(
            f"y holds one class{alone}: a classifier is fitted on two classes"
            + ("; give both as classes=" if one_is_enough else "")
        )
    if labels.dtype.kind == "f" and (found != np.floor(found)).any():
        raise ValueError(
            f"y holds {len(found)} different numbers, which are no labels of two classes (Unknown "
            "label type: continuous)"
        )
    most = found[np.sort(np.argsort(-counts, kind="stable")[:2])]
    place = int(home.xp.flatnonzero((labels != most[0]) & (labels != most[1]))[0])
    raise ValueError(
        f"y[{place}] = {_shown(labels[place])} is neither {_shown(most[0])} nor {_shown(most[1])}. "
        f"Only binary classification is supported. y holds {len(found)} different labels"
    )


def _shown(label: Any) -> str:
    return repr(label.item() if hasattr(label, "item") else label)
