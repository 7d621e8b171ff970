"""How well scores rank clicks above non-clicks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.metrics.checks import check_both_labels, check_labels, raise_at_first


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


@in_standard_arithmetic
def _roc_auc(y: ArrayLike, p: ArrayLike) -> float:
    clicked, p = check_labels(y, p)
    raise_at_first("p", p, np.isnan(p), "is no score")
    check_both_labels(clicked)
    clicks = np.count_nonzero(clicked)
    pairs = clicks * (clicked.size - clicks)
    # Multiples of one half: float64 adds them exactly up to 9e7 rows, and to 1e-16 beyond.
    wins = _average_ranks(p)[clicked].sum() - clicks * (clicks + 1) / 2
    return float(wins / pairs)


def _average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of theirs; float64."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[group]
