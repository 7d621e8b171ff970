"""How good predicted probabilities are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.metrics.checks import check_both_labels, check_probabilities

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
    return _mean_log_loss(*check_probabilities(y, p))


@in_standard_arithmetic
def _normalized_entropy(y: ArrayLike, p: ArrayLike) -> float:
    clicked, p = check_probabilities(y, p)
    check_both_labels(clicked)
    base_rate = np.full_like(p, clicked.mean())
    return _mean_log_loss(clicked, p) / _mean_log_loss(clicked, base_rate)


def _mean_log_loss(clicked: np.ndarray, p: np.ndarray) -> float:
    p = np.clip(p, _EPS, 1.0 - _EPS)
    return float(-np.log(np.where(clicked, p, 1.0 - p)).mean())
