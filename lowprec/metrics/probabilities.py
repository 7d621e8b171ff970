"""How good predicted probabilities are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.metrics.checks import check_both_labels, check_probabilities
from lowprec.metrics.weights import Weights, check_weights, mean

_EPS = np.finfo(np.float64).eps


def log_loss(y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Mean of -log of the predicted probability of the true label: lower is better.

    Probabilities are clipped to [eps, 1 - eps] with eps = 2**-52, so that a wrong prediction with
    probability 1 costs 36.04 and not infinity.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, each 0 or 1, or False and True.  For a model with other labels pass
        ``y == model.classes_[1]``.
    p : array_like, shape (n,)
        Predicted probability of label 1, in [0, 1].  Computed in float64.
    sample_weight : array_like, shape (n,), optional
        Weights of the samples: finite, at least 0, not all 0.  A weight of 2 equals having the
        sample twice.  By default all samples count equally.

    Returns
    -------
    float
        In nats (natural logarithms), from 0 to 36.04.

    Raises
    ------
    ValueError
        If the shapes are not (n,), n >= 1, or a label, a probability or a weight is invalid: names
        the first.

    Notes
    -----
    ``-mean(y * log(p) + (1 - y) * log(1 - p))``, weighted if weights are given.  This is the
    cross-entropy, on which the models are trained.

    Examples
    --------
    >>> from lowprec.metrics import log_loss
    >>> round(log_loss([0, 1], [0.5, 0.25]), 6)
    1.039721
    >>> round(log_loss([0, 1], [0.5, 0.25], sample_weight=[3, 1]), 6)
    0.866434
    """
    return _log_loss(y, p, sample_weight)


def normalized_entropy(y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Log loss divided by that of predicting the mean of `y`: below 1 is better than the mean.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, each 0 or 1; both must occur, with weights above 0.
    p : array_like, shape (n,)
        Predicted probability of label 1, in [0, 1].
    sample_weight : array_like, shape (n,), optional
        As for `log_loss`; the mean of `y` is weighted, too.

    Returns
    -------
    float
        1 for a model that predicts the mean, and 0 for perfect predictions.

    Raises
    ------
    ValueError
        As for `log_loss`, or if only one label occurs.

    Notes
    -----
    From He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook" (ADKDD 2014),
    section 2: log loss is smaller if clicks are rarer, whatever the model; normalized entropy is
    not.

    Examples
    --------
    >>> from lowprec.metrics import normalized_entropy
    >>> normalized_entropy([0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25])
    1.0
    """
    return _normalized_entropy(y, p, sample_weight)


def calibration(y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Mean predicted probability divided by the share of clicks: 1 is best.

    Above 1, more clicks are predicted than occur.  The order of predictions does not matter.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, each 0 or 1; at least one is 1, with a weight above 0.
    p : array_like, shape (n,)
        Predicted probability of label 1, in [0, 1].
    sample_weight : array_like, shape (n,), optional
        As for `log_loss`.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ValueError
        As for `log_loss`, or if no label is 1.

    Notes
    -----
    ``sum(w * p) / sum(w * y)``: expected clicks over observed clicks, as in He et al., "Practical
    Lessons from Predicting Clicks on Ads at Facebook" (ADKDD 2014), section 2.

    Examples
    --------
    >>> from lowprec.metrics import calibration
    >>> calibration([0, 1, 0, 0], [0.25, 0.5, 0.5, 0.25])
    1.5
    """
    return _calibration(y, p, sample_weight)


@in_standard_arithmetic
def _log_loss(y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None) -> float:
    clicked, p = check_probabilities(y, p)
    return _mean_log_loss(clicked, p, check_weights(sample_weight, clicked.size))


@in_standard_arithmetic
def _normalized_entropy(y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None) -> float:
    clicked, p = check_probabilities(y, p)
    weights = check_weights(sample_weight, clicked.size)
    check_both_labels(clicked, weights)
    base_rate = np.full_like(p, mean(clicked, weights))
    return _mean_log_loss(clicked, p, weights) / _mean_log_loss(clicked, base_rate, weights)


@in_standard_arithmetic
def _calibration(y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None) -> float:
    clicked, p = check_probabilities(y, p)
    weights = check_weights(sample_weight, clicked.size)
    share = mean(clicked, weights)
    if share == 0:
        raise ValueError("y must hold a label 1 of positive weight, but there is none")
    return mean(p, weights) / share


def _mean_log_loss(clicked: np.ndarray, p: np.ndarray, weights: Weights) -> float:
    p = np.clip(p, _EPS, 1.0 - _EPS)
    return mean(-np.log(np.where(clicked, p, 1.0 - p)), weights)
