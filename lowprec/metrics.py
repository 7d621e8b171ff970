"""How good predicted probabilities and scores are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.checks import as_array, holds_numbers

_EPS = np.finfo(np.float64).eps


def log_loss(y: ArrayLike, p: ArrayLike) -> float:
    """Mean of -log of the probability given to the label that came: lower is better.

    Probabilities are clipped to [eps, 1 - eps], eps = 2**-52, so that one certain and wrong
    prediction costs 36.04 and not infinity.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, each 0 or 1.
    p : array_like, shape (n,)
        Predicted probability of label 1, in [0, 1].  Computed in float64.

    Returns
    -------
    float
        In nats (natural logarithms), from 0 to 36.04.

    Raises
    ------
    ValueError
        If the shapes are not (n,), n >= 1, or a label or a probability is none: names the first.

    Notes
    -----
    ``-mean(y * log(p) + (1 - y) * log(1 - p))``: the cross-entropy, the loss that the models are
    trained on.

    Examples
    --------
    >>> from lowprec.metrics import log_loss
    >>> round(log_loss([0, 1], [0.5, 0.25]), 6)
    1.039721
    """
    return _log_loss(y, p)


def roc_auc(y: ArrayLike, p: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a click is ranked above a non-click.

    A tie counts one half.  Exact up to the last division, by the sum of the ranks of the clicks.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, each 0 or 1; both must occur.
    p : array_like, shape (n,)
        Scores: real numbers, higher where label 1 is more likely, as `predict_proba` or
        `decision_function` give them.  Only their order matters.

    Returns
    -------
    float
        In [0, 1]; 0.5 for predictions that know nothing.

    Raises
    ------
    ValueError
        As for `log_loss`, but that any real number and infinity is a score, and NaN none; or if
        only one label occurs.

    Notes
    -----
    The statistic of Mann and Whitney over the number of pairs; that it is the area under the
    curve is shown by Hanley and McNeil, "The meaning and use of the area under a receiver
    operating characteristic (ROC) curve" (Radiology 143, 1982).

    Examples
    --------
    >>> from lowprec.metrics import roc_auc
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    >>> roc_auc([0, 0, 1, 1], [-3.0, 0.5, 0.5, 7.0])
    0.875
    """
    return _roc_auc(y, p)


def normalized_entropy(y: ArrayLike, p: ArrayLike) -> float:
    """Log loss, divided by that of always predicting the mean of `y`: below 1 is better than it.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, each 0 or 1; both must occur.
    p : array_like, shape (n,)
        Predicted probability of label 1, in [0, 1].

    Returns
    -------
    float
        1 for a model that predicts the mean, 0 for one that is certain and right.

    Raises
    ------
    ValueError
        As for `log_loss`, or if only one label occurs.

    Notes
    -----
    From He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook" (ADKDD 2014),
    section 2: log loss is smaller where clicks are rarer, whatever the model; this is not.

    Examples
    --------
    >>> from lowprec.metrics import normalized_entropy
    >>> normalized_entropy([0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25])
    1.0
    """
    return _normalized_entropy(y, p)


@in_standard_arithmetic
def _log_loss(y: ArrayLike, p: ArrayLike) -> float:
    return _mean_log_loss(*_check_probabilities(y, p))


@in_standard_arithmetic
def _roc_auc(y: ArrayLike, p: ArrayLike) -> float:
    clicked, p = _check(y, p)
    _raise_at_first("p", p, np.isnan(p), "is no score")
    _check_both_labels(clicked)
    clicks = np.count_nonzero(clicked)
    pairs = clicks * (clicked.size - clicks)
    # Multiples of one half: float64 adds them exactly up to 9e7 rows, and to 1e-16 beyond.
    wins = _average_ranks(p)[clicked].sum() - clicks * (clicks + 1) / 2
    return float(wins / pairs)


@in_standard_arithmetic
def _normalized_entropy(y: ArrayLike, p: ArrayLike) -> float:
    clicked, p = _check_probabilities(y, p)
    _check_both_labels(clicked)
    base_rate = np.full_like(p, clicked.mean())
    return _mean_log_loss(clicked, p) / _mean_log_loss(clicked, base_rate)


def _mean_log_loss(clicked: np.ndarray, p: np.ndarray) -> float:
    p = np.clip(p, _EPS, 1.0 - _EPS)
    return float(-np.log(np.where(clicked, p, 1.0 - p)).mean())


def _average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of theirs; float64."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[group]


def _check(y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels as bool and real numbers of their length, or a ValueError."""
    y, p = _as_vector("y", y), _as_vector("p", p)
    if y.size != p.size:
        raise ValueError(f"y and p must have the same length, got {y.size} and {p.size}")
    if y.size == 0:
        raise ValueError("y and p are empty: there is no mean of nothing")
    _raise_at_first("y", y, ~((y == 0) | (y == 1)), "is not 0 or 1")
    return y == 1, p


def _check_probabilities(y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels as bool and probabilities as float64, or a ValueError."""
    clicked, p = _check(y, p)
    p = p.astype(np.float64)
    _raise_at_first("p", p, ~((p >= 0) & (p <= 1)), "is not in [0, 1]")
    return clicked, p


def _check_both_labels(clicked: np.ndarray) -> None:
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


def _raise_at_first(name: str, values: np.ndarray, bad: np.ndarray, complaint: str) -> None:
    if bad.any():
        position = int(np.argmax(bad))
        raise ValueError(f"{name}[{position}] = {values[position]} {complaint}")
